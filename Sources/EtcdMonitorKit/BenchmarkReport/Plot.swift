// SPDX-License-Identifier: Apache-2.0

/// A plot in HTML.
///
/// Its lines and areas are SVG of any size; its texts keep the size of the surrounding text.
struct Plot {
    /// A series that is drawn.
    struct Series {
        /// The name in the legend; nil for none.
        let name: String?
        /// The class of the style sheet.
        let style: String
        /// Whether the area below it is filled.
        var isFilled = false
        /// The points of its lines; there may be gaps between lines.
        let lines: [[(x: Double, y: Double)]]
    }

    let title: String
    let x: PlotAxis
    let y: PlotAxis
    /// The text of a mark on the x axis.
    let xLabel: (Double) -> String
    /// The text of a mark on the y axis.
    let yLabel: (Double) -> String
    let series: [Series]
    /// Texts that appear when the pointer is between two values of x.
    var notes: [(from: Double, to: Double, text: String)] = []

    /// The plot, with escaped texts.
    var html: String {
        let legend = series.compactMap { series in
            series.name.map { "<li class=\"\(series.style)\"><i></i>\($0.inHTML)</li>" }
        }
        let yTicks = y.ticks.map { tick in
            "<span style=\"bottom:\(Self.percent(y.position(tick)))\">\(yLabel(tick).inHTML)</span>"
        }
        let xTicks = x.ticks.map { tick in
            "<span style=\"left:\(Self.percent(x.position(tick)))\">\(xLabel(tick).inHTML)</span>"
        }
        let grid = y.ticks.map { tick in
            "<line class=\"grid\" x1=\"0\" x2=\"1000\" y1=\"\(vertical(tick))\" y2=\"\(vertical(tick))\"/>"
        }
        let areas = notes.map { note in
            let (left, right) = (x.position(note.from) * 1000, x.position(note.to) * 1000)
            return
                "<rect class=\"note\" x=\"\(Self.digits(left))\" y=\"0\" width=\"\(Self.digits(max(right - left, 1)))\" "
                + "height=\"1000\"><title>\(note.text.inHTML)</title></rect>"
        }
        return """
            <figure class="card">
            <figcaption>\(title.inHTML)</figcaption>
            <ul class="legend">\(legend.joined())</ul>
            <div class="plot"><div class="y">\(yTicks.joined())</div>
            <svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label="\(title.inHTML)">
            \(grid.joined())
            \(series.map(path).joined(separator: "\n"))
            \(areas.joined(separator: "\n"))
            </svg>
            <div class="x">\(xTicks.joined())</div></div>
            </figure>
            """
    }

    private func path(of series: Series) -> String {
        var shapes: [String] = []
        for line in series.lines where !line.isEmpty {
            let corners = line.map { "\(Self.digits(x.position($0.x) * 1000)),\(vertical($0.y))" }
            if series.isFilled, let first = line.first, let last = line.last {
                let (left, right) = (x.position(first.x) * 1000, x.position(last.x) * 1000)
                let bottom = ["\(Self.digits(right)),1000", "\(Self.digits(left)),1000"]
                shapes.append("<path class=\"area\" d=\"M\((corners + bottom).joined(separator: "L"))Z\"/>")
            }
            shapes.append("<path class=\"line\" d=\"M\(corners.joined(separator: "L"))\"/>")
        }
        return "<g class=\"\(series.style)\">\(shapes.joined())</g>"
    }

    private func vertical(_ value: Double) -> String { Self.digits((1 - y.position(value)) * 1000) }

    private static func percent(_ share: Double) -> String { "\(digits(share * 100))%" }

    /// A number between 0 and 1000 with one decimal.
    private static func digits(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}

// SPDX-License-Identifier: Apache-2.0

extension String {
    /// The text with a space for each control character, which a terminal or a log might interpret.
    ///
    /// For texts of a peer that are shown to people.
    var printable: String {
        let isShown = { (scalar: Unicode.Scalar) in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
        if unicodeScalars.allSatisfy(isShown) { return self }
        var result = String.UnicodeScalarView()
        for scalar in unicodeScalars { result.append(isShown(scalar) ? scalar : " ") }
        return String(result)
    }
}

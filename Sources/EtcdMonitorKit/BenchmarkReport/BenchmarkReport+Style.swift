// SPDX-License-Identifier: Apache-2.0

extension BenchmarkReport {
    /// The style sheet of the page.
    ///
    /// Every text has a contrast of at least 4.5 in both colour schemes.
    static let styleSheet = """

        :root {
          color-scheme: light dark;
          --page: #f4f5f7; --card: #fff; --line: #d5d9e0; --ink: #1c2128; --muted: #57606a;
          --good: #1a7431; --bad: #b3261e; --c0: #0b57d0; --c1: #b4540a; --c2: #a21caf; --before: #57606a;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --page: #0e1217; --card: #171c23; --line: #323a45; --ink: #e6e9ee; --muted: #9ba5b3;
            --good: #5cc980; --bad: #ff8a80; --c0: #8ab4f8; --c1: #f0a35e; --c2: #e38bf0; --before: #9ba5b3;
          }
        }
        * { box-sizing: border-box; }
        body {
          margin: 0; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
          font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
        }
        main { max-width: 1240px; margin: 0 auto; padding: 16px 20px 32px; display: grid; gap: 12px; }
        main > * { min-width: 0; }
        h1, h2, p, dl, dd, ul, figure { margin: 0; padding: 0; }
        h1 { font-size: 1.3rem; } h2, figcaption { font-size: 1rem; font-weight: 650; margin-bottom: 8px; }
        header { display: flex; flex-wrap: wrap; gap: 6px 16px; align-items: center; }
        .mark { border: 2px solid; border-radius: 99px; padding: 1px 12px; font-weight: 650; }
        .good { color: var(--good); } .bad { color: var(--bad); }
        .aside, dt { color: var(--muted); font-size: .85rem; }
        .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
        .card > p, .card > ul { margin-bottom: 8px; }
        .card > ul:not([class]) { padding-left: 20px; }
        .scroll { overflow-x: auto; }
        .tiles { display: grid; gap: 10px; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); }
        .tiles dd { font-variant-numeric: tabular-nums; }
        .big { font-size: 1.25rem; font-weight: 600; line-height: 1.3; }
        .plots { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); }
        .legend { display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; min-height: 1.3rem; font-size: .85rem; }
        .legend li { display: flex; gap: 6px; align-items: center; }
        .legend i { width: 20px; border-top: 3px solid var(--tone); }
        .s0 { --tone: var(--c0); } .s1 { --tone: var(--c1); } .s2 { --tone: var(--c2); }
        .before { --tone: var(--before); }
        .legend .before i { border-top-style: dashed; }
        .plot { position: relative; padding: 8px 14px 22px 58px; }
        .plot svg { display: block; width: 100%; height: 200px; overflow: visible; }
        .plot span { position: absolute; color: var(--muted); font-size: 12px; line-height: 1; white-space: nowrap; }
        .y, .x { position: absolute; pointer-events: none; }
        .y { left: 0; width: 52px; top: 8px; bottom: 22px; } .y span { right: 0; transform: translateY(50%); }
        .x { left: 58px; right: 14px; bottom: 0; height: 16px; } .x span { transform: translateX(-50%); }
        .plot svg * { vector-effect: non-scaling-stroke; }
        .grid { stroke: var(--line); }
        .line { fill: none; stroke: var(--tone); stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
        .before .line { stroke-dasharray: 5 4; }
        .area { fill: var(--tone); fill-opacity: .16; }
        .note { fill: transparent; } .note:hover { fill: var(--ink); fill-opacity: .08; }
        .bars { list-style: none; }
        .bars li { display: grid; grid-template-columns: 9em 1fr 5em; gap: 10px; align-items: center;
          font-size: .85rem; padding: 2px 0; }
        .bars span:last-child { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
        .bars b { position: relative; height: 14px; font-weight: 400;
          background: linear-gradient(var(--muted), var(--muted)) center / 1px 100% no-repeat; }
        .bars .ends { background: none; display: flex; justify-content: space-between; height: auto; }
        .bars u { text-decoration: none; }
        .bars i { position: absolute; top: 0; bottom: 0; background: var(--muted); border-radius: 2px; }
        .bars .good { background: var(--good); } .bars .bad { background: var(--bad); }
        table { border-collapse: collapse; width: 100%; }
        th, td { text-align: left; vertical-align: top; padding: 5px 14px 5px 0; border-top: 1px solid var(--line); }
        tr:first-child > * { border-top: 0; }
        thead th { color: var(--muted); font-size: .85rem; font-weight: 500; }
        tbody tr:first-child > * { border-top: 1px solid var(--line); }
        h2 + .scroll > table > tbody:first-child tr:first-child > * { border-top: 0; }
        tbody th { font-weight: 500; color: var(--ink); }
        td { font-variant-numeric: tabular-nums; }
        td, thead th { overflow-wrap: normal; }
        @media (max-width: 600px) { main { padding: 12px; } .card { padding: 12px; } }

        """
}

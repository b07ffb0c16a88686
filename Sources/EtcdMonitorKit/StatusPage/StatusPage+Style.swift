// SPDX-License-Identifier: Apache-2.0

extension StatusPage {
    /// The style sheet.
    ///
    /// Every text has a contrast of at least 4.5 in both colour schemes, also when it is stale.
    static let style = #"""

        :root {
          color-scheme: light dark;
          --page: #f4f5f7; --card: #fff; --line: #d5d9e0; --ink: #1c2128; --muted: #57606a; --accent: #0b57d0;
          --ok: #1a7431; --degraded: #8a5000; --critical: #b3261e; --unknown: #5a4fa3; --note: #2b6cb0;
        }
        .s0 { color: #0b57d0; } .s1 { color: #b4540a; } .s2 { color: #0f766e; } .s3 { color: #a21caf; }
        .s4 { color: #4d7c0f; } .s5 { color: #be123c; } .s6 { color: #475569; }
        @media (prefers-color-scheme: dark) {
          :root {
            --page: #0e1217; --card: #171c23; --line: #323a45; --ink: #e6e9ee; --muted: #9ba5b3; --accent: #8ab4f8;
            --ok: #5cc980; --degraded: #e6a94a; --critical: #ff8a80; --unknown: #b3a8f0; --note: #7fb6ee;
          }
          .s0 { color: #8ab4f8; } .s1 { color: #f0a35e; } .s2 { color: #5ecfc3; } .s3 { color: #e38bf0; }
          .s4 { color: #b3d466; } .s5 { color: #ff8fa3; } .s6 { color: #a9b4c4; }
        }
        .stale main {
          --ink: var(--muted); --accent: var(--muted);
          --ok: var(--muted); --degraded: var(--muted); --critical: var(--muted); --unknown: var(--muted);
          --note: var(--muted);
        }
        .stale #charts { filter: grayscale(1); }

        * { box-sizing: border-box; }
        body {
          margin: 0; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
          font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
        }
        header, main, footer, #banner { max-width: 1240px; margin: 0 auto; padding: 0 20px; }
        header { display: flex; flex-wrap: wrap; gap: 6px 20px; align-items: center; padding-top: 16px; }
        h1, h2, h3, p, dl, dd, figure { margin: 0; }
        h1 { font-size: 1.15rem; font-weight: 650; }
        h2 { font-size: 1rem; font-weight: 650; margin: 28px 0 10px; }
        h3 { font-size: 1rem; font-weight: 600; }
        main:focus { outline: none; }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
        .skip { position: absolute; left: -999px; }
        .skip:focus { left: 12px; top: 12px; z-index: 1; padding: 8px 14px; background: var(--card); }
        .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
        [hidden] { display: none !important; }
        a { color: var(--accent); text-underline-offset: 2px; }
        .aside, .small { color: var(--muted); font-size: .85rem; }
        .small { display: block; line-height: 1.35; }
        .mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .8rem; }
        .row { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; justify-content: space-between; }
        .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
        .scroll { overflow-x: auto; }

        button, select, input {
          font: inherit; color: inherit; background: var(--card); border: 1px solid var(--muted); border-radius: 7px;
          padding: 5px 12px; min-height: 36px; max-width: 100%;
        }
        button { cursor: pointer; }
        button:hover { border-color: var(--accent); }
        button[aria-pressed=true] { background: var(--ink); border-color: var(--ink); color: var(--card); }
        button.link {
          border: 0; padding: 0; min-height: 0; background: none; color: var(--accent); text-decoration: underline;
        }
        #ranges { display: flex; gap: 6px; margin-top: 20px; }
        #state { margin-left: auto; color: var(--muted); font-size: .9rem; }
        #state::before {
          content: ""; display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 7px;
          border: 2px solid var(--muted);
        }
        .live #state::before { background: var(--ok); border-color: var(--ok); }
        #banner {
          display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; justify-content: space-between;
          width: calc(100% - 40px); max-width: 1200px; margin-top: 12px; padding: 10px 16px; background: var(--card);
          border: 2px solid var(--degraded); border-radius: 10px;
        }

        .ok { --tone: var(--ok); } .degraded { --tone: var(--degraded); } .critical { --tone: var(--critical); }
        .unknown { --tone: var(--unknown); } .note { --tone: var(--note); }
        .verdict { display: inline-flex; gap: 7px; align-items: center; color: var(--tone); font-weight: 600; }
        .icon { width: 1.15em; height: 1.15em; flex: none; color: var(--tone); }
        .icon .shape { fill: currentColor; }
        .icon .sign { fill: none; stroke: var(--card); stroke-width: 1.7; stroke-linecap: round; }
        #verdict { display: flex; gap: 16px; align-items: center; margin-top: 16px; }
        #verdict, .finding { border-left: 6px solid var(--tone); }
        #verdict .icon { width: 40px; height: 40px; }
        #verdict strong { display: block; font-size: 1.5rem; line-height: 1.2; color: var(--tone); }
        #tiles { display: grid; gap: 10px; margin-top: 10px;
          grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); }
        #tiles dt { color: var(--muted); font-size: .85rem; }
        #tiles dd { font-size: 1.25rem; font-weight: 600; line-height: 1.3; }
        #tiles dd.small { font-size: .85rem; font-weight: 400; color: var(--muted); }

        .finding { margin-bottom: 10px; }
        .finding .title { display: flex; gap: 9px; align-items: flex-start; }
        .finding p + p { margin-top: 6px; }
        .finding .icon { margin-top: .18em; }
        .evidence { display: flex; flex-wrap: wrap; gap: 4px 22px; margin: 8px 0; font-size: .9rem; }
        .evidence div { display: flex; gap: 6px; }
        .evidence dt { color: var(--muted); }
        .evidence dd { font-weight: 600; }

        table { border-collapse: collapse; width: 100%; }
        th, td { text-align: left; vertical-align: top; padding: 8px 14px 8px 0; border-top: 1px solid var(--line); }
        thead th { border-top: 0; padding-top: 0; color: var(--muted); font-size: .85rem; font-weight: 500; }
        tbody th { font-weight: 600; }
        td, th { overflow-wrap: normal; }
        .pair :is(th, td), #clusters :is(th, td) {
          max-width: 15rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
        }
        #members tbody th { min-width: 11.5rem; overflow-wrap: anywhere; }
        th .small { font-weight: 400; }
        td:nth-child(3) .small { min-width: 11rem; }
        td, dd, #charts { font-variant-numeric: tabular-nums; }
        #links td .icon { display: block; }

        #charts { display: grid; gap: 12px; margin-top: 8px;
          grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
        .legend { display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; margin: 4px 0; padding: 0; }
        .legend li { display: flex; gap: 6px; align-items: center; font-size: .85rem; }
        .legend strong { flex: none; }
        .legend svg { width: 22px; height: 8px; flex: none; }
        .plot { touch-action: pan-y; }
        .plot svg { display: block; width: 100%; height: 180px; }
        .plot text { fill: var(--muted); font-size: 12px; }
        .plot .grid { stroke: var(--line); }
        .plot .cursor { stroke: var(--muted); }
        .curve { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
        .band { fill: currentColor; fill-opacity: .12; }
        .s1 .curve { stroke-dasharray: 7 4; } .s2 .curve { stroke-dasharray: 2 4; }
        .s3 .curve { stroke-dasharray: 9 4 2 4; } .s5 .curve { stroke-dasharray: 5 3; }
        .pair { display: grid; gap: 0 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); }
        footer { padding: 24px 20px; color: var(--muted); font-size: .85rem; }
        dialog { width: min(420px, calc(100% - 32px)); background: var(--card); color: var(--ink);
          border: 1px solid var(--line); border-radius: 12px; padding: 20px; }
        dialog::backdrop { background: rgb(0 0 0 / .5); }
        dialog h2 { margin-top: 0; }
        dialog input:not([type=checkbox]), dialog select { width: 100%; margin: 4px 0 14px; }
        dialog :is(fieldset, legend) { border: 0; margin: 0; padding: 0; min-width: 0; }
        dialog p:not(:empty) { margin-bottom: 12px; }
        #token { -webkit-text-security: disc; }
        #conditions { margin: 6px 0 14px; display: grid; gap: 6px; }
        #conditions div { display: grid; grid-template-columns: 8rem 1fr; gap: 8px; align-items: center; }
        #conditions label { display: flex; gap: 8px; align-items: center; }
        #conditions input:not([type=checkbox]) { margin: 0; min-width: 0; }
        #conditions input[type=checkbox] { min-height: 0; width: 18px; height: 18px; margin: 0; }
        .wrong:not(:empty) { color: var(--critical); font-weight: 600; }

        @media (max-width: 760px) {
          header, main, footer { padding-left: 12px; padding-right: 12px; }
          #banner { width: calc(100% - 24px); }
          #tiles > :last-child { grid-column: 1 / -1; }
          .stack thead { display: none; }
          .stack table, .stack tbody, .stack th { display: block; }
          .stack tr { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 14px; padding: 14px 0;
            border-top: 1px solid var(--line); }
          .stack tr:first-child { border-top: 0; padding-top: 0; }
          .stack th, .stack td { border: 0; padding: 0; }
          .stack th { grid-column: 1 / -1; }
          .stack td::before { content: attr(data-label); display: block; color: var(--muted); font-size: .85rem; }
        }
        @media (prefers-reduced-motion: no-preference) {
          .live #state::before { animation: breathe 3s ease-in-out infinite; }
          @keyframes breathe { 50% { opacity: .45; } }
        }

        """#
}

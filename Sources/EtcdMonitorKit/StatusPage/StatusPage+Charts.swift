// SPDX-License-Identifier: Apache-2.0

extension StatusPage {
    /// The part of the script that keeps the history of the shown cluster, draws it, and starts the page.
    static let charts = #"""


        const CHARTS = [
          ['linearizable_read_seconds', 'Linearizable read latency'], ['requests_per_second', 'Requests per second'],
          ['database_bytes', 'Database size'], ['fsync_p99_seconds', 'Fsync latency, 99th percentile'],
        ];
        const RANGES = [[900, '15 min'], [3600, '1 h'], [86400, '24 h'], [604800, '7 d']];
        const COLOURS = 7, HEIGHT = 180, LEFT = 62, RIGHT = 8, TOP = 8, BOTTOM = 24;
        let range = RANGES[0], history = new Map(), loaded = '', cursor = null;

        const step = () => range[0] / 180;
        const period = () => 1000 * Math.max(step(), snapshot.intervalSeconds + snapshot.pollSeconds);
        const seriesName = (member, figureName) => `member/${member.id}/${figureName}`;

        // Adds a live value to its step, which has the mean, the minimum and the maximum of its values.
        function keep(name, time, value) {
          const points = history.get(name) ?? [], last = points.at(-1);
          history.set(name, points);
          if (last && time < last.time + step() * 1000) {
            last.mean += (value - last.mean) / ++last.count;
            last.low = Math.min(last.low, value);
            last.high = Math.max(last.high, value);
          } else {
            points.push({ time, mean: value, low: value, high: value, count: 1 });
          }
          while (points[0].time < time - range[0] * 1000) points.shift();
        }

        // Reads the history when another one must be shown, and then adds each snapshot to it.
        function followHistory() {
          const wanted = JSON.stringify([cluster, range[0], connection, snapshot.members.map(member => member.id)]);
          const time = Date.parse(snapshot.time);
          if (wanted !== loaded) {
            loaded = wanted;
            history = new Map();
            load(time, wanted);
          }
          for (const member of snapshot.members) {
            for (const [name] of CHARTS) {
              if (member.metrics[name] != null) keep(seriesName(member, name), time, member.metrics[name]);
            }
          }
          drawCharts();
        }

        async function load(end, wanted) {
          const shown = snapshot.members.flatMap(member => CHARTS.map(([name]) => seriesName(member, name)));
          const ask = async (path, query) =>
            (await get(`${path}?${new URLSearchParams({ cluster, ...query })}`)).json();
          try {
            const { names } = await ask('metrics/names');
            await Promise.all(shown.filter(name => names.includes(name)).map(async metric => {
              const { points } = await ask('metrics/history', { metric, step: step(),
                from: new Date(end - range[0] * 1000).toISOString(), to: new Date(end).toISOString() });
              if (wanted !== loaded) return;
              const old = points.map(({ time, mean, minimum, maximum }) =>
                ({ time: Date.parse(time), mean, low: minimum, high: maximum, count: 1 }));
              const live = history.get(metric) ?? [];
              history.set(metric, [...old, ...live.filter(point => point.time > (old.at(-1)?.time ?? 0))]);
            }));
            drawCharts();
          } catch { /* the charts show the live values; the event stream reports a lost connection */ }
        }

        // The runs of points without a gap.
        function runs(points) {
          const gap = 2.5 * period(), result = [];
          points.forEach((point, i) => {
            if (i === 0 || point.time - points[i - 1].time > gap) result.push([]);
            result.at(-1).push(point);
          });
          return result;
        }
        // The smallest round number that is not below a value; a quarter of it is round as well.
        function roundUp(value) {
          const power = 10 ** Math.floor(Math.log10(value));
          return power * [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10].find(n => n * power >= value * .9999);
        }
        function timeLabel(time) {
          return new Date(time).toLocaleString([], range[0] > 86400 ? { month: 'short', day: 'numeric' }
            : { hour: '2-digit', minute: '2-digit' });
        }
        function nearest(points, time) {
          const best = points.reduce((best, point) =>
            Math.abs(point.time - time) < Math.abs((best?.time ?? Infinity) - time) ? point : best, null);
          return best && Math.abs(best.time - time) <= 2 * period() ? best.mean : null;
        }

        function drawChart([name, title]) {
          const end = Date.parse(snapshot.time), start = end - range[0] * 1000;
          const width = Math.max(240, $(`plot-${name}`).clientWidth), right = width - RIGHT, floor = HEIGHT - BOTTOM;
          const series = snapshot.members.map((member, i) => {
            const points = (history.get(seriesName(member, name)) ?? []).filter(p => p.time >= start && p.time <= end);
            const shown = cursor === null ? member.metrics[name] : nearest(points, cursor);
            return { label: member.name || member.id, tone: `s${i % COLOURS}`, points, shown: figure(name, shown) };
          });
          const highest = Math.max(0, ...series.flatMap(({ points }) => points.map(point => point.high)));
          const [factor] = unit(highest, units(name)), top = highest > 0 ? roundUp(highest / factor) * factor : 1;
          const x = time => (LEFT + (time - start) / (end - start) * (right - LEFT)).toFixed(1);
          const y = value => (TOP + (1 - value / top) * (floor - TOP)).toFixed(1);
          const at = key => point => `${x(point.time)},${y(point[key])}`;
          const line = run => `M${run.map(at('mean')).join('L')}h.01`;
          const band = run => `M${[...run.map(at('high')), ...run.toReversed().map(at('low'))].join('L')}z`;
          const ticks = highest > 0 ? [0, 1, 2, 3, 4].map(i => top * i / 4) : [];
          const shares = width < 420 ? [0, .5, 1] : [0, .25, .5, .75, 1];

          show(`legend-${name}`, series.map(({ label, tone, shown }) => el('li', null,
            el('svg', { class: tone, viewBox: '0 0 22 8', 'aria-hidden': 'true' },
              el('path', { class: 'curve', d: 'M1,4h20' })),
            el('span', null, label), el('strong', null, shown))));
          show(`plot-${name}`, el('svg', { 'aria-hidden': 'true', viewBox: `0 0 ${width} ${HEIGHT}` },
            ticks.map(value => [el('line', { class: 'grid', x1: LEFT, x2: right, y1: y(value), y2: y(value) }),
              el('text', { x: LEFT - 8, y: Number(y(value)) + 4, 'text-anchor': 'end' },
                value ? figure(name, value) : '0')]),
            highest > 0 ? shares.map(share => el('text', { x: x(start + (end - start) * share), y: HEIGHT - 6,
              'text-anchor': share === 0 ? 'start' : share === 1 ? 'end' : 'middle',
            }, timeLabel(start + (end - start) * share)))
              : el('text', { x: width / 2, y: HEIGHT / 2, 'text-anchor': 'middle' }, 'No data in this range yet'),
            series.map(({ tone, points }) => el('g', { class: tone }, runs(points).map(run => [
              run.some(point => point.high > point.low) ? el('path', { class: 'band', d: band(run) }) : null,
              el('path', { class: 'curve', d: line(run) })]))),
            cursor === null ? null
              : el('line', { class: 'cursor', x1: x(cursor), x2: x(cursor), y1: TOP, y2: floor })));
          const peaks = series.map(({ label, points, shown }) => points.length
            ? `${label}: ${shown}, highest ${figure(name, Math.max(...points.map(point => point.high)))}.`
            : `${label}: no data.`);
          const when = cursor === null ? `last ${range[1]}` : new Date(cursor).toLocaleTimeString();
          $(`when-${name}`).textContent = when;
          $(`plot-${name}`).setAttribute('aria-label', `${title}, ${when}. ${peaks.join(' ')}`);
          return series.map(({ label, shown }) => `${label} ${shown}`).join(', ');
        }

        function drawCharts() {
          if (snapshot?.poll) CHARTS.forEach(drawChart);
        }

        // All charts share one cursor, so that they can be compared at one moment.
        function point(time) {
          const end = Date.parse(snapshot.time);
          cursor = time === null ? null : Math.min(end, Math.max(end - range[0] * 1000, time));
          drawCharts();
        }
        function watch(plot, chart) {
          plot.addEventListener('pointermove', event => {
            const box = plot.getBoundingClientRect();
            const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
            point(Date.parse(snapshot.time) - range[0] * 1000 * (1 - share));
          });
          plot.addEventListener('pointerleave', () => point(null));
          plot.addEventListener('blur', () => point(null));
          plot.addEventListener('keydown', event => {
            const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
            if (event.key === 'Escape') point(null);
            if (!move) return;
            event.preventDefault();
            point((cursor ?? Date.parse(snapshot.time)) + move * range[0] * 1000 / 60);
            $('said').textContent = `${new Date(cursor).toLocaleTimeString()}: ${drawChart(chart)}`;
          });
        }

        function showRanges() {
          show('ranges', RANGES.map(choice => el('button', { type: 'button', 'data-seconds': choice[0],
            'aria-pressed': String(choice === range) }, choice[1])));
        }
        $('ranges').addEventListener('click', event => {
          range = RANGES.find(([seconds]) => String(seconds) === event.target.dataset.seconds) ?? range;
          showRanges();
          if (snapshot) followHistory();
        });
        show('charts', CHARTS.map(([name, title]) => el('figure', { class: 'card' },
          el('div', { class: 'row' }, el('h3', null, title), el('span', { class: 'aside', id: `when-${name}` })),
          el('ul', { class: 'legend', id: `legend-${name}` }),
          el('div', { class: 'plot', id: `plot-${name}`, tabindex: '0', role: 'img',
            'aria-describedby': 'charts-help' }))));
        CHARTS.forEach(chart => watch($(`plot-${chart[0]}`), chart));
        new ResizeObserver(drawCharts).observe($('charts'));

        showRanges();
        render();
        setInterval(tick, 1000);
        run();
        """#
}

// SPDX-License-Identifier: Apache-2.0

extension StatusPage {
    /// The script, which follows the events of one cluster and shows each snapshot.
    static let script = #"""

        const $ = id => document.getElementById(id);
        const WORDS = { ok: 'Healthy', note: 'Note', unknown: 'Unknown', degraded: 'Degraded', critical: 'Critical' };
        let clusters = [], cluster = '', snapshot = null, token = '', trouble = 'Connecting…';
        let hasAlerts = false, takesChanges = false, asking = null;
        let arrived = 0, heard = 0, connection = 0, compared = 0, nextAttempt = 0;
        let aborter = new AbortController(), wake = () => {};

        // Nodes: data becomes text and attributes, and is never parsed as HTML.

        const DRAWN = new Set(['svg', 'g', 'path', 'line', 'text']);
        function el(name, attributes, ...children) {
          const node = DRAWN.has(name) ? document.createElementNS('http://www.w3.org/2000/svg', name)
            : document.createElement(name);
          for (const [key, value] of Object.entries(attributes ?? {})) if (value != null) node.setAttribute(key, value);
          node.append(...children.flat(Infinity).filter(child => child != null));
          return node;
        }

        // Updates a tree in place, so that the focus and the position of a screen reader survive.
        function morph(from, to) {
          if (from.nodeName !== to.nodeName) return from.replaceWith(to);
          if (from.nodeType === Node.TEXT_NODE) { if (from.data !== to.data) from.data = to.data; return; }
          for (const { name } of [...from.attributes]) if (!to.hasAttribute(name)) from.removeAttribute(name);
          for (const { name, value } of to.attributes) {
            if (from.getAttribute(name) !== value) from.setAttribute(name, value);
          }
          const old = [...from.childNodes], fresh = [...to.childNodes];
          fresh.forEach((child, i) => i < old.length ? morph(old[i], child) : from.append(child));
          old.slice(fresh.length).forEach(child => child.remove());
        }
        function show(id, children, classes) {
          const node = $(id).cloneNode(false);
          if (classes) node.className = classes;
          node.append(...[children].flat(Infinity).filter(child => child != null));
          morph($(id), node);
        }

        const SHAPES = {
          ok: ['M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z', 'M4.8 8.2l2.3 2.4 4.2-4.8'],
          note: ['M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z', 'M8 7.6v3.9M8 4.6v.2'],
          unknown: ['M8 .5 15.5 8 8 15.5.5 8z', 'M6.3 6.3a1.8 1.8 0 1 1 2.5 1.6c-.6.3-.8.6-.8 1.2M8 11.4v.1'],
          degraded: ['M8 1 15.6 14.6H.4z', 'M8 6v4M8 12.4v.1'],
          critical: ['M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z', 'M5.6 5.6l4.8 4.8m0-4.8-4.8 4.8'],
        };
        const icon = kind => el('svg', { class: `icon ${kind}`, viewBox: '0 0 16 16', 'aria-hidden': 'true' },
          el('path', { class: 'shape', d: SHAPES[kind][0] }), el('path', { class: 'sign', d: SHAPES[kind][1] }));
        const known = verdict => Object.hasOwn(SHAPES, verdict) ? verdict : 'unknown';
        const badge = (kind, text = WORDS[kind]) => el('span', { class: `verdict ${kind}` }, icon(kind), text);
        const small = (...parts) => el('span', { class: 'small' }, ...parts);

        // A table. Each row starts with a header cell; other cells contain the name of their column for narrow screens.
        const table = (columns, rows) => el('table', { role: 'table' },
          el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' },
            columns.map(name => el('th', { scope: 'col', role: 'columnheader' }, name)))),
          el('tbody', { role: 'rowgroup' }, rows.map(([head, ...cells]) => el('tr', { role: 'row' },
            el('th', { scope: 'row', role: 'rowheader' }, head),
            cells.map((cell, i) => el('td', { role: 'cell', 'data-label': columns[i + 1] }, el('div', null, cell)))))));

        // Figures for people.

        const digits = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
        const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
        const number = value => (Math.abs(value) < 1000 ? digits : whole).format(value);
        const TIMES = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's'], [1e-3, 'ms'], [1e-6, 'µs']];
        const SIZES = [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB'], [1, 'B']];
        const COUNTS = [[1e9, 'G'], [1e6, 'M'], [1, '']];
        const ONE = [[1, '']];
        function units(name) {
          if (/bytes(_per_second)?$/.test(name)) return SIZES;
          if (/seconds?$/.test(name) && !/per_second$/.test(name)) return TIMES;
          return /ratio$/.test(name) ? [[.01, '%']] : /per_second$/.test(name) ? COUNTS : ONE;
        }
        const unit = (value, table) => (value ? table.find(([factor]) => Math.abs(value) >= factor) ?? table.at(-1)
          : table.find(([factor]) => factor === 1) ?? table[0]);
        function figure(name, value) {
          if (value == null) return '–';
          const [factor, symbol] = unit(value, units(name));
          const each = /per_second$/.test(name) ? '/s' : '';
          return `${number(value / factor)}\u00a0${symbol}`.trim() + each;
        }
        const label = name => name.replace(/_((bytes_)?per_second|bytes|seconds|ratio)$/, '').replaceAll('_', ' ');
        const count = (n, one, many = one + 's') => `${number(n)} ${n === 1 ? one : many}`;
        function age(seconds) {
          const s = Math.max(0, Math.round(seconds)), m = Math.floor(s / 60), h = Math.floor(m / 60);
          if (s < 60) return `${s} s`;
          return m < 60 ? `${m} min` : h < 24 ? `${h} h ${m % 60} min` : `${Math.floor(h / 24)} d ${h % 24} h`;
        }
        const since = date => age((Date.parse(snapshot.time) - Date.parse(date)) / 1000);
        const moment = date => el('time', { datetime: date },
          new Date(date).toLocaleString([], { dateStyle: 'short', timeStyle: 'medium' }));
        const nameOf = id => snapshot.members.find(member => member.id === id)?.name || id;

        // The parts of the page.

        function showVerdict() {
          const worst = snapshot?.findings[0], verdict = known(snapshot?.verdict);
          const sentence = !snapshot ? 'No snapshot has arrived yet.'
            : snapshot.poll === 0 ? 'The first poll has not finished yet.'
            : verdict === 'ok' ? 'All checks of the monitor pass.'
            : worst?.summary ?? 'The cause is unknown.';
          show('verdict', [icon(verdict), el('div', null, el('strong', null, WORDS[verdict]),
            cluster ? `${cluster}: ${sentence}` : sentence)], `card ${verdict}`);
          document.title = snapshot ? `${WORDS[verdict]} – ${cluster} – etcd monitor` : 'etcd monitor';
          const colour = { ok: '1a7431', degraded: 'e09b2d', critical: 'c5221f', unknown: '6f63b8' }[verdict];
          const image = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">`
            + `<path fill="#${colour}" d="${SHAPES[verdict][0]}"/></svg>`;
          if ($('icon').dataset.verdict !== verdict) $('icon').href = `data:image/svg+xml,${encodeURIComponent(image)}`;
          $('icon').dataset.verdict = verdict;
        }

        function showTiles() {
          const { quorum, leader, metrics } = snapshot, spare = quorum.faultTolerance;
          const states = { available: 'Available', lost: 'Lost', unknown: 'Unknown' };
          const tile = (name, value, ...notes) => el('div', { class: 'card' }, el('dt', null, name),
            el('dd', null, value), notes.map(note => el('dd', { class: 'small' }, note)));
          show('tiles', [
            tile('Quorum', states[quorum.state] ?? 'Unknown',
              `${number(quorum.healthyVoters)} of ${count(quorum.voters, 'voter')} healthy`),
            tile('Fault tolerance', count(Math.max(0, spare), 'member'),
              spare < 0 ? `${count(-spare, 'voter')} short of a majority` : 'may fail safely'),
            tile('Leader', leader ? leader.name || leader.memberID : 'None',
              leader ? `term ${leader.term}, for ${since(leader.since)}` : 'no member leads'),
            tile('Requests', figure('requests_per_second', metrics.requests_per_second),
              metrics.keys == null ? 'keys not known' : count(metrics.keys, 'key')),
            tile('Database', figure('database_bytes', metrics.database_bytes), metrics.quota_used_ratio == null
              ? 'quota unknown' : `${figure('ratio', metrics.quota_used_ratio)} of the quota`),
          ]);
        }

        // Only web addresses become links; a place in the project's documents is shown as text.
        const runbook = place => /^https?:\/\//.test(place)
          ? el('a', { href: place, target: '_blank', rel: 'noopener noreferrer' }, 'Runbook')
          : el('span', { class: 'aside' }, `Runbook: ${place}`);
        function showFindings() {
          const cards = snapshot.findings.map(finding => {
            const kind = finding.verdict === 'ok' ? 'note' : known(finding.verdict);
            const evidence = Object.entries(finding.evidence).sort().map(([name, value]) =>
              [name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`), value]);
            return el('article', { class: `finding card ${kind}` },
              el('div', { class: 'title' }, icon(kind), el('h3', null, finding.summary)),
              el('p', { class: 'aside' }, `${WORDS[kind]} · `, el('span', { class: 'mono' }, finding.id.code),
                finding.memberID ? ` · ${nameOf(finding.memberID)}` : null, ' · since ', moment(finding.since),
                ` (${since(finding.since)})`),
              evidence.length === 0 ? null : el('dl', { class: 'evidence' }, evidence.map(([name, value]) =>
                el('div', null, el('dt', null, label(name)), el('dd', null, figure(name, value))))),
              el('p', null, `${finding.advice} `, runbook(finding.runbook)));
          });
          show('findings', cards.length ? cards : el('p', { class: 'card aside' }, 'There are no findings.'));
        }

        function showMembers() {
          const newest = Math.max(...snapshot.members.filter(m => m.role !== 'foreign').map(m => m.raftIndex ?? 0));
          const read = (member, probe, name) => {
            const summary = snapshot.latency.find(l => l.member === member.id && l.probe === probe);
            const parts = ['p50', 'p95', 'p99'].filter(p => summary?.[`${p}Seconds`] != null)
              .map(p => `${p}\u00a0${figure('seconds', summary[`${p}Seconds`])}`);
            return [figure(name, member.metrics[name]), parts.length ? small(parts.join(', ')) : null,
              summary ? small(`${count(summary.count, 'answer')}, ${number(summary.failures)}\u00a0failed`) : null];
          };
          const rows = snapshot.members.map(member => {
            const { metrics } = member, lag = member.role === 'foreign' ? null : member.raftAppliedIndex;
            const failures = new Map();
            for (const [probe, { failure }] of Object.entries(member.probes).sort()) {
              if (!failure) continue;
              const text = failure.message || failure.reason;
              failures.set(text, [...failures.get(text) ?? [], probe]);
            }
            return [
              [member.name || '(no name)', small(el('span', { class: 'mono' }, member.id)), small(member.endpoint)],
              [member.role, member.raftTerm == null ? null : small(`term ${member.raftTerm}`)],
              [badge(known(member.verdict)),
                [...failures].map(([text, probes]) => small(`${probes.join(', ')}: ${text}`))],
              member.version ?? '–',
              [figure('database_bytes', metrics.database_bytes),
                metrics.database_in_use_bytes == null ? null
                  : small(`${figure('bytes', metrics.database_in_use_bytes)} in use`),
                metrics.quota_used_ratio == null ? null
                  : small(`${figure('ratio', metrics.quota_used_ratio)} of quota`)],
              lag == null ? '–' : [count(Math.max(0, newest - lag), 'entry', 'entries')],
              read(member, 'linearizable-read', 'linearizable_read_seconds'),
              read(member, 'serializable-read', 'serializable_read_seconds'),
              [figure('seconds', metrics.fsync_p99_seconds), metrics.commit_p99_seconds == null ? null
                : small(`commit ${figure('seconds', metrics.commit_p99_seconds)}`)],
            ];
          });
          show('members', table(['Member', 'Role', 'Verdict', 'Version', 'Database', 'Lag', 'Linearizable read',
            'Local read', 'Fsync P99'], rows));
        }

        function showLinks() {
          const ids = snapshot.members.map(member => member.id)
            .filter(id => snapshot.links.some(link => link.from === id || link.to === id));
          const kinds = { alive: 'ok', silent: 'critical', unknown: 'unknown' };
          const cell = (from, to) => {
            const link = snapshot.links.find(link => link.from === from && link.to === to);
            return link ? badge(kinds[link.state] ?? 'unknown', link.state) : '–';
          };
          show('links', ids.length === 0 ? el('p', { class: 'aside' }, 'The state of the links is unknown.')
            : table(['From', ...ids.map(id => `to ${nameOf(id)}`)],
              ids.map(from => [nameOf(from), ...ids.map(to => cell(from, to))])));
        }

        function showLeaders() {
          const rows = snapshot.leaderHistory.slice(0, 10).map(({ time, from, to, term }) =>
            [moment(time), from ? nameOf(from) : 'none', to ? nameOf(to) : 'none', String(term)]);
          show('leaders', rows.length ? table(['Time', 'From', 'To', 'Term'], rows)
            : el('p', { class: 'aside' }, 'The monitor has not observed a leader change.'));
        }

        function showComparison() {
          show('cluster', clusters.map(({ name }) => el('option', { value: name }, name)));
          $('cluster').value = cluster;
          $('choice').hidden = $('comparison').hidden = clusters.length < 2;
          show('clusters', table(['Cluster', 'Verdict', 'Quorum', 'Tolerates', 'Leader', 'Members', 'Findings',
            'Requests', 'Database'],
            clusters.map(({ name, verdict, quorum, leader, members, findings, metrics }) => [
              el('button', { type: 'button', class: 'link', 'data-cluster': name,
                'aria-current': name === cluster ? 'true' : null }, name),
              badge(known(verdict)), quorum.state, number(Math.max(0, quorum.faultTolerance)),
              leader ? leader.name || leader.memberID : 'none', number(members),
              Object.entries(findings).map(([kind, n]) => `${number(n)} ${kind === 'ok' ? 'note' : kind}`).join(', ')
                || 'none',
              figure('requests_per_second', metrics.requests_per_second),
              figure('database_bytes', metrics.database_bytes),
            ])));
        }

        function render() {
          showVerdict();
          showComparison();
          $('known').hidden = $('tiles').hidden = !snapshot?.poll;
          if (!snapshot?.poll) return;
          showTiles(); showFindings(); showMembers(); showLinks(); showLeaders();
          followHistory();
          show('footer', `Poll ${number(snapshot.poll)} at ${new Date(snapshot.time).toLocaleTimeString()} took `
            + `${figure('seconds', snapshot.pollSeconds)}; every ${figure('seconds', snapshot.intervalSeconds)}.`
            + (snapshot.clusterID ? ` Cluster ID ${snapshot.clusterID}.` : ''));
        }

        // Shows the age of the data every second.
        function tick() {
          const old = (performance.now() - arrived) / 1000;
          const limit = snapshot ? 3 * snapshot.intervalSeconds + snapshot.pollSeconds : 15;
          let text = trouble;
          if (!text && old > limit) text = 'The monitor is connected, but sends no new data.';
          const stale = Boolean(text) && snapshot !== null;
          if (stale) text += ` The figures are from ${new Date(snapshot.time).toLocaleTimeString()}.`;
          const wait = Math.ceil((nextAttempt - performance.now()) / 1000);
          document.body.classList.toggle('stale', stale);
          document.body.classList.toggle('live', !text);
          $('banner').hidden = !text || trouble === 'Connecting…';
          $('retry').hidden = !trouble;
          if ($('trouble').textContent !== text) $('trouble').textContent = text;
          $('countdown').textContent = trouble && wait > 0 ? `Next attempt in ${wait} s.` : '';
          $('state').textContent = snapshot ? `${stale ? 'Stale' : 'Live'}, updated ${age(old)} ago` : 'Connecting…';
          if (trouble === '' && performance.now() - heard > 1000 * Math.max(15, 2 * limit)) aborter.abort();
        }

        // The API.

        async function get(path) {
          const headers = token ? { Authorization: `Bearer ${token}` } : {};
          const response = await fetch(`api/v1/${path}`, { headers, signal: aborter.signal, cache: 'no-store' });
          if (response.ok) return response;
          const isRefusal = response.status === 401;
          throw Object.assign(new Error(isRefusal ? 'The monitor needs a token.'
            : `The monitor answered with status ${response.status}.`), { isRefusal });
        }

        async function compare() {
          compared = performance.now();
          ({ clusters, hasAlerts, takesChanges } = await (await get('clusters')).json());
          const wanted = decodeURIComponent(location.hash.slice(1));
          if (!clusters.some(({ name }) => name === cluster)) {
            cluster = (clusters.find(({ name }) => name === wanted) ?? clusters[0])?.name ?? '';
          }
        }

        async function receive(data) {
          snapshot = data;
          arrived = performance.now();
          trouble = '';
          if (clusters.length > 1 && arrived - compared > 5000) await compare();
          render();
          tick();
          followAlerts();
        }

        async function follow(response) {
          const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
          for (let rest = '';;) {
            const { value, done } = await reader.read();
            if (done) throw new Error('The monitor closed the connection.');
            heard = performance.now();
            const events = (rest + value).split('\n\n');
            rest = events.pop();
            for (const event of events) {
              const lines = event.split('\n'), data = lines.filter(line => line.startsWith('data:'));
              if (!lines.includes('event: snapshot')) continue;
              await receive(JSON.parse(data.map(line => line.slice(5)).join('\n')));
            }
          }
        }

        async function run() {
          for (let failures = 0;;) {
            const seen = connection, mine = cluster;
            try {
              aborter = new AbortController();
              await compare();
              render();
              const response = await get(`events?cluster=${encodeURIComponent(cluster)}`);
              heard = arrived = performance.now();
              connection++;
              await follow(response);
            } catch (error) {
              if (mine && mine !== cluster) continue;
              if (connection > seen) failures = 0;
              const isNetwork = error instanceof TypeError || error.name === 'AbortError';
              trouble = isNetwork ? 'The connection to the monitor is lost.' : error.message;
              if (error.isRefusal) {
                const given = await ask(token ? 'The token was not accepted.' : '');
                if (given !== null) { useToken(given); continue; }
              }
              nextAttempt = error.isRefusal ? 0  // It is requested again when it is needed.
                : performance.now() + 1000 * Math.min(30, 2 ** failures++) * (.75 + Math.random() / 2);
            }
            tick();
            await new Promise(resolve => {
              wake = resolve;
              if (nextAttempt) setTimeout(resolve, nextAttempt - performance.now());
            });
          }
        }

        // Asks for a token, which may be wrong; null if none is given. Only one dialog is open at a time.
        function ask(note) {
          asking ??= new Promise(resolve => {
            $('login-note').textContent = note;
            $('token').value = '';
            $('login').returnValue = '';
            $('login').onclose = () => {
              asking = null;
              resolve($('login').returnValue === 'given' ? $('token').value : null);
            };
            $('login').showModal();
          });
          return asking;
        }
        function useToken(given) {
          token = given;
          try { sessionStorage.setItem('token', token); } catch { /* the token lasts as long as the page */ }
        }

        function choose(name) {
          if (name === cluster) return;
          cluster = name;
          snapshot = null;
          trouble = 'Connecting…';
          location.replace(`#${encodeURIComponent(name)}`);
          render();
          aborter.abort();
        }

        try { token = sessionStorage.getItem('token') ?? ''; } catch { /* there is none */ }
        $('login-form').addEventListener('submit', event => { event.preventDefault(); $('login').close('given'); });
        $('cancel').addEventListener('click', () => $('login').close(''));
        $('retry').addEventListener('click', () => wake());
        $('cluster').addEventListener('change', event => choose(event.target.value));
        $('clusters').addEventListener('click', event => {
          const button = event.target.closest('button');
          if (button) choose(button.dataset.cluster);
        });
        document.addEventListener('visibilitychange', () => { if (!document.hidden) wake(); });
        addEventListener('online', () => wake());
        """#
}

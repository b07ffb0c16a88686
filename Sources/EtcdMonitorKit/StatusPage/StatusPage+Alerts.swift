// SPDX-License-Identifier: Apache-2.0

extension StatusPage {
    /// The dialogs in which an administrator creates and ends silences.
    static let alertDialogs = """
        <dialog id="silence" aria-labelledby="silence-title">
          <form id="silence-form">
            <h2 id="silence-title">Silence alerts</h2>
            <fieldset>
              <legend class="aside">Alerts that meet all of these conditions are muted; * stands for any
                text.</legend>
              <div id="conditions"></div>
            </fieldset>
            <label>For
              <select id="silence-for">
                <option value="1h">1 hour</option>
                <option value="4h">4 hours</option>
                <option value="1d">1 day</option>
                <option value="7d">1 week</option>
                <option value="">until a time</option>
              </select>
            </label>
            <label id="silence-end" hidden>Until <input id="silence-until" type="datetime-local"></label>
            <label>Reason <input id="silence-comment" type="text" required maxlength="1000" autocomplete="off"></label>
            <label>Your name, if it is not the name of the token
              <input id="silence-author" type="text" maxlength="100" autocomplete="name">
            </label>
            <p class="wrong" id="silence-note" role="alert"></p>
            <div class="row"><button type="button" class="close">Cancel</button> <button>Silence</button></div>
          </form>
        </dialog>
        <dialog id="ending" aria-labelledby="ending-title">
          <form id="ending-form">
            <h2 id="ending-title">End this silence?</h2>
            <p id="ending-silence"></p>
            <p class="wrong" id="ending-note" role="alert"></p>
            <div class="row"><button type="button" class="close">Cancel</button> <button>End the silence</button></div>
          </form>
        </dialog>
        """

    /// The part of the script about alerts: it reads them after each snapshot, and sends an administrator's changes.
    static let alerts = #"""


        const SEVERITIES = { critical: ['critical', 'Critical'], warning: ['degraded', 'Warning'], info: ['note', 'Info'] };
        let told = null, reading = null, chosen = null, isSending = false;

        const severity = kind => badge(...SEVERITIES[kind] ?? ['unknown', kind]);
        const action = (text, name, data) => el('button', { type: 'button', 'aria-label': `${text}: ${name}`, ...data },
          text);
        const conditions = matchers =>
          matchers.map(({ name, value, isEqual }) => `${name} ${isEqual ? '=' : '≠'} ${value || '""'}`).join(', ');
        const titleOf = ({ summary, name, labels }) => [summary, small(el('span', { class: 'mono' }, name),
          labels.member ? ` · ${nameOf(labels.member)}` : null)];

        function reasonFor(alert) {
          const id = /^silence (\S+)$/.exec(alert.reasonForSilence ?? '')?.[1];
          const silence = told.silences.find(silence => silence.id === id);
          return silence ? [`silence of ${silence.createdBy}`, small('until ', moment(silence.endsAt))]
            : alert.reasonForSilence ?? '–';
        }

        function showAlerts() {
          const isRead = told?.cluster === cluster;
          $('alerts').hidden = !hasAlerts;
          $('open-alerts').hidden = !isRead;
          $('told').hidden = !hasAlerts || !isRead;
          if (!isRead || !hasAlerts) { $('silenced').hidden = true; return; }
          const buttons = takesChanges ? ['Change'] : [];
          show('open-alerts', told.alerts.length === 0 ? el('p', { class: 'aside' }, 'There are no alerts.')
            : table(['Alert', 'Severity', 'State', 'Muted by', ...buttons], told.alerts.map(alert => {
              const begin = alert.firingSince ?? alert.activeSince;
              return [
                [titleOf(alert), alert.labels.code ? null : [small(alert.description),
                  alert.runbook ? small(runbook(alert.runbook)) : null]],
                severity(alert.severity),
                [alert.state, small('since ', moment(begin), ` (${since(begin)})`)],
                reasonFor(alert),
                ...buttons.map(() => action('Silence', alert.summary, { 'data-alert': alert.id })),
              ];
            })));
          $('silenced').hidden = told.silences.length === 0;
          show('silences', table(['Conditions', 'State', 'End', 'Author', 'Reason', ...buttons],
            told.silences.map(({ id, matchers, state, startsAt, endsAt, createdBy, comment }) => [
              conditions(matchers), [state, state === 'pending' ? small('from ', moment(startsAt)) : null],
              moment(endsAt), createdBy, comment,
              ...buttons.map(() => action('End', conditions(matchers), { 'data-silence': id })),
            ])));
          show('past', told.past.length === 0 ? el('p', { class: 'aside' }, 'No alert has been resolved yet.')
            : table(['Alert', 'Severity', 'Began', 'Lasted'], told.past.map(alert => {
              const begin = alert.firingSince ?? alert.activeSince;
              return [titleOf(alert), severity(alert.severity), moment(begin),
                age((Date.parse(alert.resolvedAt) - Date.parse(begin)) / 1000)];
            })));
          show('channels', told.channels.length === 0
            ? el('p', { class: 'aside' }, 'There are no channels, so no alerts are sent.')
            : table(['Channel', 'State', 'Alerts', 'Delivered', 'Last success'], told.channels.map(channel => [
              [channel.name, small(channel.kind)],
              channel.failuresInARow > 0 ? [badge('degraded', 'fails'), small(channel.lastError)]
                : channel.lastSuccess ? badge('ok', 'works') : badge('note', 'not used yet'),
              [`${number(channel.openAlerts)} open`, small(`${number(channel.waitingAlerts)} to be delivered`)],
              [number(channel.delivered), small(`${count(channel.failed, 'attempt')} failed`)],
              channel.lastSuccess ? moment(channel.lastSuccess) : '–',
            ])));
        }

        // Reads the alerts; only one read runs at a time.
        function followAlerts() {
          reading ??= readAlerts().finally(() => { reading = null; });
          return reading;
        }
        async function readAlerts() {
          showAlerts();
          if (!hasAlerts) return;
          const mine = cluster, read = async (path, query = {}) =>
            (await get(`${path}?${new URLSearchParams(query)}`)).json();
          try {
            const [{ alerts }, { alerts: past }, { silences }, { channels }] = await Promise.all([
              read('alerts', { cluster: mine }), read('alerts/history', { cluster: mine, limit: 20 }),
              read('silences'), read('channels'),
            ]);
            if (mine !== cluster || !snapshot) return;
            told = { cluster: mine, alerts, past, channels, silences: silences.filter(s => s.state !== 'expired') };
            $('alerts-note').textContent = takesChanges ? ''
              : 'Alerts can be silenced here if the API has a token with the role admin (--api-admin-token-file).';
            showAlerts();
          } catch (error) {
            if (error.name === 'AbortError') return;
            $('alerts-note').textContent = `The alerts could not be read, and may have changed. ${error.message}`;
          }
        }

        // Sends a change. Asks for another token if the current one lacks the right.
        async function send(method, path, body) {
          const fields = body ? { 'Content-Type': 'application/json' } : {};
          for (let mine = token;;) {
            const headers = { ...fields, Authorization: `Bearer ${mine}` };
            const response = await fetch(`api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) })
              .catch(() => { throw new Error('The connection to the monitor is lost.'); });
            if (response.ok) { if (mine !== token) useToken(mine); return; }
            const { detail } = await response.json().catch(() => ({}));
            if (![401, 403].includes(response.status)) {
              throw new Error(detail ?? `The monitor answered with status ${response.status}.`);
            }
            const given = await ask(response.status === 401 ? 'The token was not accepted.'
              : 'This needs a token with the role admin.');
            if (given === null) throw new Error('Nothing was changed: the change needs a token with the role admin.');
            mine = given;
          }
        }

        // Sends the change of a dialog, and closes it if the change was accepted.
        async function submit(name, said, ...change) {
          if (isSending) return;
          isSending = true;
          $(`${name}-note`).textContent = '';
          try {
            await send(...change);
            $(name).close();
            $('said').textContent = said;
            await reading;
            await followAlerts();
          } catch (error) {
            $(`${name}-note`).textContent = error.message;
          }
          isSending = false;
        }

        function openSilence(alert) {
          $('conditions').replaceChildren(...Object.entries(alert.labels).sort().map(([name, value]) =>
            el('div', null, el('label', null, el('input', { type: 'checkbox', checked: '' }), name),
              el('input', { type: 'text', value, 'data-name': name, 'aria-label': `Value of ${name}` }))));
          const author = $('silence-author').value;
          $('silence-form').reset();
          $('silence-author').value = author;
          $('silence-note').textContent = '';
          showEnd();
          $('silence').showModal();
          $('silence-comment').focus();
        }
        function showEnd() {
          const isTime = $('silence-for').value === '';
          $('silence-end').hidden = !isTime;
          $('silence-until').required = isTime;
        }
        $('silence-for').addEventListener('change', showEnd);
        $('silence-form').addEventListener('submit', event => {
          event.preventDefault();
          const rows = [...$('conditions').children].filter(row => row.querySelector('[type=checkbox]').checked);
          const matchers = rows.map(row => row.querySelector('[data-name]'))
            .map(input => ({ name: input.dataset.name, value: input.value }));
          const duration = $('silence-for').value, author = $('silence-author').value.trim();
          submit('silence', 'The silence was created.', 'POST', 'silences', {
            matchers, comment: $('silence-comment').value,
            ...(duration ? { duration } : { endsAt: new Date($('silence-until').value).toISOString() }),
            ...(author ? { createdBy: author } : {}),
          });
        });
        $('open-alerts').addEventListener('click', event => {
          const id = event.target.closest('button')?.dataset.alert;
          const alert = told.alerts.find(alert => alert.id === id);
          if (alert) openSilence(alert);
        });

        $('silences').addEventListener('click', event => {
          const id = event.target.closest('button')?.dataset.silence;
          chosen = told.silences.find(silence => silence.id === id);
          if (!chosen) return;
          $('ending-silence').textContent = `${conditions(chosen.matchers)}: ${chosen.comment}`;
          $('ending-note').textContent = '';
          $('ending').showModal();
        });
        $('ending-form').addEventListener('submit', event => {
          event.preventDefault();
          submit('ending', 'The silence has ended.', 'DELETE', `silences/${encodeURIComponent(chosen.id)}`);
        });
        for (const button of document.querySelectorAll('dialog .close')) {
          button.addEventListener('click', () => button.closest('dialog').close());
        }
        """#
}

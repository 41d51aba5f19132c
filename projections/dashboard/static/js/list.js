// The lists: rows change in place, newcomers announce themselves, many orders are chosen, and the keyboard does it all. Nothing here
// changes the ledger: forms do.
(() => {
  'use strict';
  const $ = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const page = () => $('.orders-page');
  const number = (n) => n.toLocaleString(document.documentElement.dataset.locale);

  // Rows, as somebody else changes them. A row keeps its place, its tick and its focus; one that left the list says so and stays.
  const waiting = new Map();
  let fetching = 0;
  const rowOf = (id) => document.getElementById('o-' + id);
  const put = (fresh) => {
    const old = document.getElementById(fresh.id);
    if (!old || Number(old.dataset.version) > Number(fresh.dataset.version)) return;
    const tick = $('td.pick input', old), ticked = tick?.checked;
    const focus = old.contains(document.activeElement) ? document.activeElement.closest('td')?.className : '';
    fresh.classList.add('changed');
    old.replaceWith(fresh);
    if (ticked && $('td.pick input', fresh)) $('td.pick input', fresh).checked = true;
    if (focus) $('td[class="' + focus + '"] :is(a, input)', fresh)?.focus();
  };
  const fetchRows = async () => {
    fetching = 0;
    const ids = [...waiting.keys()].filter(rowOf).slice(0, 50);
    ids.forEach((id) => waiting.delete(id));
    if (!ids.length) { waiting.clear(); return; }
    const query = new URLSearchParams(page().dataset.list);
    ids.forEach((id) => query.append('order', id));
    try {
      const answer = await fetch('/rows?' + query, { credentials: 'same-origin' });
      if (!answer.ok) throw new Error(answer.status);
      const box = document.createElement('template');
      box.innerHTML = await answer.text();
      all('tr', box.content).forEach(put);
      picked();
      newcomers();
    } catch {
      ids.forEach((id) => waiting.set(id, true)); // with the next change, or when the connection is back
      return;
    }
    if (waiting.size) soon();
  };
  const soon = () => { fetching ||= setTimeout(fetchRows, 20); };
  document.addEventListener('ledger:order', (e) => {
    const row = rowOf(e.detail.id);
    if (!page() || !row || Number(row.dataset.version) >= e.detail.version) return;
    waiting.set(e.detail.id, true);
    soon();
  });
  document.addEventListener('ledger:resync', () => {
    all('tr[data-order]').forEach((row) => waiting.set(row.dataset.order, true));
    if (page() && waiting.size) soon();
  });
  document.addEventListener('ledger:live', (e) => { if (e.detail.state === 'live' && waiting.size && page()) soon(); });

  // Newcomers are counted and shown when they are asked for, so that nothing moves under a hand.
  let placed = 0, counts = null, before = null;
  const start = () => { before = Object.fromEntries(all('.tabs [data-count]').map((c) => [c.dataset.count, Number(c.dataset.n)])); };
  const newcomers = () => {
    const line = $('#newcomers'), tab = page()?.dataset.tab;
    if (!line || !before) return;
    let n = placed, text = n === 1 ? '1 new order' : number(n) + ' new orders';
    if (tab !== 'new' && tab !== 'all') {
      n = counts ? counts[tab] - before[tab] + all('tr.gone').length : 0;
      text = n === 1 ? '1 more order' : number(n) + ' more orders';
    }
    if ('filtered' in page().dataset) text += ', of which some may be in this list';
    line.hidden = n <= 0;
    if (n > 0 && line.firstElementChild.textContent !== text + ' — show') line.firstElementChild.textContent = text + ' — show';
  };
  document.addEventListener('ledger:placed', (e) => { placed += e.detail.count; newcomers(); });
  document.addEventListener('ledger:counts', (e) => { counts = e.detail; newcomers(); });

  // Many at once.
  const ticks = () => all('td.pick input[name="order"]');
  const picked = () => {
    const bar = $('#bulkbar');
    if (!bar) return;
    const boxes = ticks(), n = boxes.filter((t) => t.checked).length, every = $('#all')?.checked;
    bar.classList.toggle('on', n > 0 || !!every);
    $('#picked').textContent = every ? 'All that match are chosen' : n === 1 ? '1 order chosen' : n ? number(n) + ' orders chosen' : 'Choose orders';
    const head = $('#pick-all');
    if (head) {
      head.checked = n > 0 && n === boxes.length;
      head.indeterminate = n > 0 && n < boxes.length;
    }
  };
  let lastTick = null;
  document.addEventListener('click', (e) => { // with Shift, all between two
    if (!e.target.matches?.('td.pick input[name="order"]')) return;
    const boxes = ticks(), from = boxes.indexOf(lastTick), to = boxes.indexOf(e.target);
    if (e.shiftKey && from >= 0) boxes.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((t) => { t.checked = e.target.checked; });
    lastTick = e.target;
    picked();
  });
  document.addEventListener('change', (e) => {
    if (e.target.id === 'pick-all') ticks().forEach((t) => { t.checked = e.target.checked; });
    if (e.target.id === 'all' && e.target.checked) ticks().forEach((t) => { t.checked = true; });
    if (e.target.name === 'order' && !e.target.checked && $('#all')) $('#all').checked = false;
    picked();
  });

  // A job tells how far it is.
  const follow = () => {
    const box = $('#job');
    if (!box || (box.dataset.open !== 'true' && box.dataset.waits === '0')) return;
    setTimeout(async () => {
      try {
        if (!document.hidden && !Ledger.paused) {
          const answer = await fetch(location.href, { headers: { 'Ledger-Part': 'job' }, credentials: 'same-origin' });
          const fresh = document.createElement('template');
          if (answer.ok) fresh.innerHTML = await answer.text();
          const now = $('section.job', fresh.content);
          if (now && ['done', 'open', 'waits'].some((name) => now.dataset[name] !== box.dataset[name])) {
            const focus = box.contains(document.activeElement) && document.activeElement.closest('form')?.getAttribute('action');
            box.replaceChildren(fresh.content);
            Object.assign(box.dataset, now.dataset);
            if (focus) ($('form[action="' + focus + '"] button', box) || $('form button', box) || $('#main')).focus();
            if (now.dataset.open !== 'true') Ledger.announce(now.dataset.waits === '0' ? 'The job is over.' : 'The job waits for Stripe.');
          }
        }
      } catch { /* the next time */ }
      follow();
    }, box.dataset.open === 'true' ? 700 : 2000);
  };

  // The palette: what is typed narrows the goals, and finds orders.
  let asked = 0;
  document.addEventListener('input', (e) => {
    if (e.target.id !== 'palette-q') return;
    const words = e.target.value.toLowerCase().split(/\s+/).filter(Boolean), box = e.target.closest('[data-palette]');
    all('li[data-text]', box).forEach((li) => { li.hidden = !words.every((w) => li.dataset.text.toLowerCase().includes(w)); });
    clearTimeout(asked);
    asked = setTimeout(async () => {
      const text = e.target.value.trim();
      if (!text) { $('#found', box).replaceChildren(); return; }
      try {
        const answer = await fetch('/palette?' + new URLSearchParams({ q: text }), { headers: { 'Ledger-Part': 'found' }, credentials: 'same-origin' });
        const html = await answer.text();
        if (answer.ok && e.target.value.trim() === text) $('#found', box).innerHTML = html;
      } catch { /* what was typed can still be sent */ }
    }, 120);
  });
  const goals = (box) => all('.goals a', box).filter((a) => !a.closest('[hidden]'));
  document.addEventListener('keydown', (e) => {
    const box = e.target.closest?.('[data-palette]');
    if (!box) return;
    const list = goals(box), at = list.indexOf(document.activeElement);
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault();
      const next = e.key === 'ArrowDown' ? list[at + 1] : list[at - 1];
      (next || (e.key === 'ArrowUp' ? $('#palette-q', box) : list[at]))?.focus();
    }
  });
  document.addEventListener('submit', (e) => { // the one goal that is left; else what is typed is looked for
    const box = e.target.closest('[data-palette]');
    const list = box ? goals(box) : [];
    if (!box || !e.target.q.value.trim()) { if (box) e.preventDefault(); return; }
    if (list.length === 1) { e.preventDefault(); location.href = list[0].href; }
  });

  // The keyboard. Single keys do nothing while somebody types, and nothing at all when they are switched off.
  const tabs = ['new', 'paid', 'shipped', 'refunded', 'cancelled', 'archived'];
  let g = 0;
  const move = (by) => {
    const links = all('table.orders td.order_number a');
    if (!links.length) return;
    const row = document.activeElement.closest?.('tr');
    const at = row ? links.indexOf($('td.order_number a', row)) : -1;
    const next = links[Math.max(0, Math.min(links.length - 1, at < 0 ? 0 : at + by))];
    next.focus();
    next.closest('tr').scrollIntoView({ block: 'nearest' });
  };
  document.addEventListener('keydown', (e) => {
    if (document.body.dataset.keys === 'off' || e.defaultPrevented) return;
    if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === 'k') {
      e.preventDefault();
      if (!$('#dialog').open) Ledger.dialog('/palette');
      return;
    }
    const typing = e.target.closest?.('input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]');
    if (e.ctrlKey || e.metaKey || e.altKey || typing || $('#dialog').open) return;
    const after = Date.now() - g < 1500;
    g = 0;
    const digit = /^[1-6]$/.test(e.key) ? e.key : /^Digit([1-6])$/.exec(e.code)?.[1]; // where digits need Shift, without it, too
    if (after && digit) { location.href = '/orders?tab=' + tabs[digit - 1]; return; }
    switch (e.key) {
      case 'g': g = Date.now(); return;
      case '/': {
        const q = $('#q');
        e.preventDefault();
        if (q) { q.focus(); q.select(); } else Ledger.dialog('/palette');
        return;
      }
      case '?': e.preventDefault(); Ledger.dialog('/keys'); return;
      case 'j': move(1); return;
      case 'k': move(-1); return;
      case 'x': {
        const tick = $('td.pick input', document.activeElement.closest?.('tr') || document.createElement('p'));
        if (tick) { tick.checked = !tick.checked; tick.dispatchEvent(new Event('change', { bubbles: true })); }
      }
    }
  });

  const begin = () => {
    if (page()) { start(); picked(); }
    follow();
  };
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', begin);
  else begin();
})();

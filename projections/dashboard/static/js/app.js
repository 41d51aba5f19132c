// What all pages share: live updates, dialogs, toasts, the menu. Without JavaScript every page does all that changes the ledger; this
// makes them pleasant. Its API, for list.js and order.js:
//
// Events on document, all CustomEvents:
//   ledger:order   detail {id, version, tab}   an order is at a version now; of several changes between two looks, the last
//   ledger:placed  detail {count}              so many orders came in
//   ledger:counts  detail {new, paid, …, parked, owed, due, missed}   the counts, when one of them has changed. Elements with
//                  data-count="new" (and so on) are kept up to date here
//   ledger:resync  detail {}                   more has changed than was told, or the connection was lost for too long: fetch
//                  anew what the page shows. Told at most every two seconds, and not to all pages in the same moment
//   ledger:live    detail {state, behind}      "live", "paused", "stale" (the read model is behind so many events) or "lost"
//
// While live is paused (Ledger.pause, Ledger.resume, Ledger.paused, kept for the browser's tab), none of the first four is told; what
// was missed is told on resume.
//
// Ledger.toast(text, kind, action)   a message that goes away by itself; kind "good", "bad" or "info"; action {label, run} adds a button,
//                                    and keeps it for ten seconds. Returns a function that takes it away
// Ledger.announce(text)              tells people with a screen reader, and nobody else
// Ledger.dialog(url, opener)         opens the page of that address as a dialog; without JavaScript the same address is a page. Links
//                                    and forms (method get) with data-dialog do this by themselves. Esc and elements with data-close
//                                    close it (Ledger.closeDialog), and the focus returns to the opener. While one is asked for,
//                                    no other is; when no answer comes, a toast says so
// A server's answer to htmx may say HX-Trigger: {"ledger:toast": {"text": …, "kind": …}}.
(() => {
  'use strict';
  const $ = (selector, from = document) => from.querySelector(selector);
  const tell = (name, detail = {}) => document.dispatchEvent(new CustomEvent('ledger:' + name, { detail }));
  const icon = (name) => {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.setAttribute('class', 'icon');
    svg.setAttribute('aria-hidden', 'true');
    const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
    use.setAttribute('href', document.documentElement.dataset.icons + '#' + name);
    svg.append(use);
    return svg;
  };

  // Toasts.
  const announce = (text) => {
    const region = $('#announce');
    if (!region) return;
    region.textContent = '';
    setTimeout(() => { region.textContent = text; }, 50); // a change is what is read out
  };
  const toast = (text, kind = 'info', action = null) => {
    const box = document.createElement('div');
    box.className = 'toast ' + kind;
    box.append(icon({ good: 'done', bad: 'alert' }[kind] || 'info'));
    const p = document.createElement('p');
    p.textContent = text;
    box.append(p);
    let timer;
    const away = () => { clearTimeout(timer); box.remove(); };
    const button = (label, name, run) => {
      const b = document.createElement('button');
      b.type = 'button';
      if (name) { b.setAttribute('aria-label', label); b.append(icon(name)); } else b.textContent = label;
      b.addEventListener('click', () => { away(); run(); });
      box.append(b);
    };
    if (action) button(action.label, '', action.run);
    button('Close', 'cross', () => {});
    const begin = () => { timer = setTimeout(away, action ? 10000 : 6000); };
    box.addEventListener('mouseenter', () => clearTimeout(timer));
    box.addEventListener('mouseleave', begin);
    box.addEventListener('focusin', () => clearTimeout(timer));
    box.addEventListener('focusout', begin);
    $(kind === 'bad' ? '#alerts' : '#toasts-polite').append(box);
    begin();
    return away;
  };
  document.addEventListener('ledger:toast', (e) => toast(e.detail.text, e.detail.kind));

  // Dialogs. The browser tells of a close with its next frame only: the next dialog may be asked for by then, or there.
  // For a moment after it has come it changes nothing (data-heeds is missing): the second half of a double click is no answer to it.
  let opener = null, asking = false, heeding = 0;
  const dialogElement = () => $('#dialog');
  const closeDialog = () => dialogElement()?.close();
  const dialog = async (url, from) => {
    if (asking) return; // a second click
    const box = dialogElement(), body = $('#dialog-body'), by = from || document.activeElement;
    if (!box.open) {
      body.replaceChildren();
      clearTimeout(heeding);
      delete box.dataset.heeds;
    }
    const before = body.firstChild;
    asking = true;
    try {
      await htmx.ajax('GET', url, { source: box, target: body, swap: 'innerHTML', headers: { 'Ledger-Part': 'dialog' } });
    } finally { asking = false; }
    if (body.firstChild === before) {
      toast('The ledger does not answer. Try again.', 'bad');
      return;
    }
    const title = $('h1, h2', box);
    if (title) {
      title.id ||= 'dialog-title';
      box.setAttribute('aria-labelledby', title.id);
    }
    if (!box.open) {
      opener = by;
      box.showModal();
      heeding = setTimeout(() => { box.dataset.heeds = ''; }, 400);
    }
    ($('[autofocus]', box) || $('#dialog-body input:not([type=hidden]), #dialog-body textarea, #dialog-body select, #dialog-body button, #dialog-body a', box))?.focus();
  };
  document.addEventListener('close', (e) => {
    if (e.target !== dialogElement() || e.target.open || asking) return;
    $('#dialog-body').replaceChildren();
    if (document.activeElement === document.body) { // else the browser has returned the focus, or a person has moved it on
      const back = opener?.isConnected ? opener : opener?.id && document.getElementById(opener.id);
      (back || $('#main'))?.focus();
    }
    opener = null;
  }, true);
  document.addEventListener('click', (e) => {
    if (e.target.closest('[data-close]') && e.target.closest('dialog')) {
      e.preventDefault();
      closeDialog();
      return;
    }
    if (e.target === dialogElement()) closeDialog(); // the backdrop
    const link = e.target.closest('a[data-dialog]');
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
    e.preventDefault();
    dialog(link.href, link);
  });

  // A form that changes something is sent once: a second click while the answer is on its way does nothing.
  const sent = new WeakSet();
  document.addEventListener('submit', (e) => {
    const form = e.target;
    if (form.matches('form[data-dialog]')) {
      e.preventDefault();
      const url = new URL(form.action);
      url.search = new URLSearchParams(new FormData(form, e.submitter)).toString();
      dialog(url.pathname + url.search, e.submitter || form);
      return;
    }
    if (form.method !== 'post' || e.defaultPrevented) return;
    if (sent.has(form) || form.closest('dialog:not([data-heeds])')) { e.preventDefault(); return; }
    sent.add(form);
    setTimeout(() => sent.delete(form), 15000);
  });
  // A key that is held does not answer the dialog that it opened.
  document.addEventListener('keydown', (e) => {
    const form = e.repeat && e.target.closest?.('dialog form[method="post"]');
    if (form && (e.key === 'Enter' ? e.target.localName !== 'textarea' : e.key === ' ' && e.target.localName === 'button')) e.preventDefault();
  });
  addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); }); // what the browser kept is of then

  // The menu.
  const closeMenus = (but) => document.querySelectorAll('details.menu[open]').forEach((d) => { if (d !== but) d.open = false; });
  document.addEventListener('click', (e) => closeMenus(e.target.closest('details.menu')));
  document.addEventListener('keydown', (e) => {
    const open = e.key === 'Escape' && $('details.menu[open]');
    if (open) { open.open = false; $('summary', open).focus(); }
  });

  // Live.
  let el = null, connection = null, heard = 0, behind = 0, state = '', lostTimer = 0, tries = 0;
  let paused = sessionStorage.getItem('ledger-paused') === 'yes';
  let missed = { orders: new Map(), placed: 0, counts: null, resync: false };
  const none = () => ({ orders: new Map(), placed: 0, counts: null, resync: false });
  const says = { live: 'Live', paused: 'Paused', lost: 'Connection lost', out: 'Signed out' };
  const show = () => {
    if (!el) return;
    const now = state === 'live' && paused ? 'paused' : state === 'live' && behind ? 'stale' : state;
    const text = now === 'stale' ? behind.toLocaleString(document.documentElement.dataset.locale) + ' events behind' : says[now];
    if (el.dataset.state === now && $('.text', el).textContent === text) return;
    const was = el.dataset.state;
    el.hidden = false;
    el.dataset.state = now === 'out' ? 'lost' : now;
    $('.text', el).textContent = text;
    $('use', $('.dot', el)).setAttribute('href', document.documentElement.dataset.icons + '#' + ({ lost: 'lost', out: 'lost', stale: 'clock', paused: 'pause' }[now] || 'dot'));
    const b = $('button', el);
    b.setAttribute('aria-label', paused ? 'Go on with live updates' : 'Pause live updates');
    $('use', b).setAttribute('href', document.documentElement.dataset.icons + (paused ? '#play' : '#pause'));
    const banner = $('#lost');
    if (banner) {
      banner.hidden = now !== 'lost' && now !== 'out';
      $('.lost', banner).hidden = now !== 'lost';
      $('.out', banner).hidden = now !== 'out';
    }
    if (was === 'lost' && now === 'live') announce('The connection is back.');
    tell('live', { state: now, behind });
  };
  const become = (s) => { state = s; show(); };
  const lost = (after) => {
    if (lostTimer || state === 'out' || document.hidden) return;
    lostTimer = setTimeout(() => { lostTimer = 0; if (!document.hidden) become('lost'); }, after);
  };
  const found = () => { clearTimeout(lostTimer); lostTimer = 0; heard = Date.now(); tries = 0; become('live'); };

  let resyncAt = 0, resyncTimer = 0;
  const resync = () => {
    if (resyncTimer) return;
    const wait = Math.max(Math.random() * 300, resyncAt + 2000 - Date.now());
    resyncTimer = setTimeout(() => { resyncTimer = 0; resyncAt = Date.now(); tell('resync'); }, wait);
  };
  const counted = (counts) => {
    for (const [name, n] of Object.entries(counts)) {
      document.querySelectorAll(`[data-count="${name}"]`).forEach((c) => {
        if (c.dataset.n === String(n)) return;
        c.dataset.n = n;
        c.textContent = n.toLocaleString(document.documentElement.dataset.locale);
      });
    }
    tell('counts', counts);
  };
  const pass = (m) => {
    if (m.counts) counted(m.counts);
    if (m.resync) resync();
    for (const order of m.orders.values()) tell('order', order);
    if (m.placed) tell('placed', { count: m.placed });
  };
  const hear = (text) => {
    heard = Date.now();
    const said = JSON.parse(text);
    if (said.behind !== undefined && said.behind !== behind) { behind = said.behind; show(); }
    for (const [id, version, tab] of said.orders || []) missed.orders.set(id, { id, version, tab });
    missed.placed += said.placed || 0;
    missed.counts = said.counts || missed.counts;
    missed.resync ||= !!said.resync;
    if (paused) return;
    const m = missed;
    missed = none();
    pass(m);
  };
  const pause = () => { paused = true; sessionStorage.setItem('ledger-paused', 'yes'); show(); };
  const resume = () => {
    paused = false;
    sessionStorage.removeItem('ledger-paused');
    show();
    const m = missed;
    missed = none();
    pass(m);
  };
  const connect = () => { if (!connection && state !== 'out') htmx.trigger(el, 'ledger:connect'); };
  const startLive = () => {
    el = $('#live');
    if (!el) return;
    el.addEventListener('live', (e) => hear(e.detail.data));
    el.addEventListener('beat', () => { heard = Date.now(); });
    el.addEventListener('htmx:sse:after:connection', (e) => { connection = e.detail.connection; found(); });
    el.addEventListener('htmx:sse:before:connection', (e) => { if (e.detail.connection.attempt > 0) lost(1500); });
    el.addEventListener('htmx:sse:error', (e) => { if (e.detail.status === 401) become('out'); else lost(300); });
    el.addEventListener('htmx:sse:close', () => { connection = null; if (state !== 'out') setTimeout(connect, 1000); });
    const refused = (e) => {
      if (e.target !== el || connection) return;
      if (e.detail.ctx?.response?.status === 401) { become('out'); return; }
      lost(300);
      setTimeout(connect, Math.min(10000, 500 * 2 ** tries++));
    };
    el.addEventListener('htmx:error', refused);
    el.addEventListener('htmx:response:error', refused);
    $('button', el).addEventListener('click', () => (paused ? resume() : pause()));
    addEventListener('offline', () => lost(0));
    addEventListener('online', () => { connection?.delayCanceller?.(); connect(); });
    $('#lost button')?.addEventListener('click', () => { connection?.delayCanceller?.(); connect(); });
    setInterval(() => { // a connection that died without saying so
      if (connection && !document.hidden && Date.now() - heard > 40000) { lost(0); heard = Date.now(); connection.reader?.cancel(); }
    }, 5000);
    become('live');
  };

  // What only makes sense with JavaScript is hidden without it.
  const start = () => {
    document.querySelectorAll('[data-js]').forEach((e) => { e.hidden = false; });
    document.querySelectorAll('.where [aria-current], .tabs [aria-current]').forEach((a) => { // where one is, on a narrow screen, too
      a.parentElement.scrollLeft = a.offsetLeft - (a.parentElement.clientWidth - a.offsetWidth) / 2 - a.parentElement.offsetLeft;
    });
    const options = Intl.DateTimeFormat().resolvedOptions();
    document.querySelectorAll('input[data-fill="zone"]').forEach((i) => { i.value = options.timeZone; });
    document.querySelectorAll('input[data-fill="locale"]').forEach((i) => { i.value = navigator.language; });
    startLive();
  };

  window.Ledger = { toast, announce, dialog, closeDialog, pause, resume, icon, get paused() { return paused; } };
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
  else start();
})();

// The page of one order, and its packing slip. See app.js for what the pages share.
(() => {
  'use strict';
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const order = () => $('#order');
  const versionOf = (page) => Number(page.dataset.version);

  // The page is fetched anew, and what is in it takes the place of what was there. The focus stays where it was.
  let asked = 0;
  const fetchPage = async (url) => {
    const answer = await fetch(url, { headers: { 'Ledger-Part': 'dialog' } });
    if (!answer.ok) return null;
    return $('#order', new DOMParser().parseFromString(await answer.text(), 'text/html'));
  };
  const put = (page) => {
    const old = order();
    const was = versionOf(old);
    const focused = old.contains(document.activeElement) ? document.activeElement.id : '';
    page = document.adoptNode(page);
    old.replaceWith(page);
    if (!page.dataset.past && !old.dataset.past) {
      $$('.timeline li[data-version]', page).forEach((li) => { if (Number(li.dataset.version) > was) li.classList.add('changed'); });
    }
    dress();
    if (focused) (document.getElementById(focused) || $('#scrub-range') || $('#main'))?.focus({ preventScroll: true });
  };
  const show = async (url) => {
    const mine = ++asked;
    const page = await fetchPage(url).catch(() => null);
    if (mine !== asked || !order()) return null;
    if (page) put(page);
    return page;
  };

  // What has happened since the page was made, in words.
  const since = (page, version) => $$('.timeline li[data-version]', page)
    .filter((li) => Number(li.dataset.version) > version)
    .map((li) => $('.what strong', li).textContent + ' (' + $('.by', li).textContent.split(' · ')[1] + ')');

  // Somebody is about to do something here, so nothing moves under their hands.
  const busy = () => $('#dialog')?.open || $('.acts:has(form):hover', order()) ||
    $$('input:not([type=hidden]):not([type=range]), textarea', order()).some((f) => (f.type === 'checkbox' ? f.checked !== f.defaultChecked : f.value !== f.defaultValue));

  const changed = async () => {
    if (!order() || order().dataset.past) return;
    const mine = ++asked;
    const page = await fetchPage(location.href).catch(() => null);
    if (mine !== asked || !page || !order()) return;
    const news = since(page, versionOf(order()));
    if (!news.length) return;
    const said = news.slice(-3).join(', ');
    if (!busy()) {
      put(page);
      Ledger.announce('This order has changed: ' + said + '.');
      return;
    }
    tellBeside(said);
  };
  // tellBeside says in the page, and in a dialog that is open, that the order has changed, and leaves the rest as it is.
  const tellBeside = (said) => {
    const bar = $('#news');
    const p = $('p', bar);
    const text = 'Meanwhile this order has changed: ' + said + '. ';
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'small';
    button.id = 'news-show';
    button.textContent = 'Show it as it is now';
    button.addEventListener('click', () => show(location.href));
    p.replaceChildren(text, button);
    bar.hidden = false;
    Ledger.announce(text);
    const body = $('#dialog-body');
    if (!$('#dialog')?.open || !$('form', body)) return;
    let note = $('.meanwhile', body);
    if (!note) {
      note = document.createElement('p');
      note.className = 'said meanwhile';
      $('h1', body)?.after(note);
    }
    note.textContent = text + 'Close this, and look again before you decide.';
  };

  document.addEventListener('ledger:order', (e) => {
    const page = order();
    if (page && e.detail.id === page.dataset.order && e.detail.version > versionOf(page)) changed();
  });
  document.addEventListener('ledger:resync', changed);

  // While Stripe is asked, how often it was and when it is again changes without any event.
  setInterval(async () => {
    if (!order()?.dataset.waits || document.hidden || Ledger.paused) return;
    const page = await fetchPage(location.href).catch(() => null);
    if (!page || !order()) return;
    if (versionOf(page) !== versionOf(order())) { changed(); return; }
    const [now, then] = [$('#under-way', page), $('#under-way')];
    if (now && then && now.textContent !== then.textContent) then.replaceChildren(...now.childNodes);
  }, 5000);

  // The slider. Its form of links works without this.
  const address = () => '/orders/' + order().dataset.order;
  const stepTo = async (version) => {
    const range = $('#scrub-range');
    const url = version >= Number(range.max) ? address() : address() + '?version=' + version;
    if (await show(url)) {
      history.pushState({ order: true }, '', url);
      Ledger.announce($('#scrub p').textContent.trim().replace(/\s+/g, ' '));
    } else location.assign(url);
  };
  document.addEventListener('input', (e) => {
    if (e.target.id !== 'scrub-range') return;
    const title = $$('#scrub-steps li')[e.target.value - 1]?.textContent;
    const text = e.target.value + ' of ' + e.target.max + (title ? ': ' + title : '');
    $('#scrub-says').textContent = text;
    e.target.setAttribute('aria-valuetext', text);
  });
  document.addEventListener('change', (e) => { if (e.target.id === 'scrub-range') stepTo(Number(e.target.value)); });
  document.addEventListener('click', (e) => {
    const link = e.target.closest('#scrub a');
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
    e.preventDefault();
    stepTo(Number(new URL(link.href).searchParams.get('version') || $('#scrub-range').max));
  });
  addEventListener('popstate', () => { if (order()) show(location.href).then((page) => page || location.reload()); });

  // Undo is offered for so many seconds; then the page's own button is what there is.
  let counting = 0;
  const count = (form) => {
    clearInterval(counting);
    const say = () => { $('.left', form).textContent = ' (' + form.dataset.undo + ')'; };
    say();
    counting = setInterval(() => {
      form.dataset.undo -= 1;
      if (form.dataset.undo > 0 && form.isConnected) { say(); return; }
      clearInterval(counting);
      const focused = form.contains(document.activeElement);
      form.remove();
      if (focused) ($('#act-unarchive') || $('#main'))?.focus();
    }, 1000);
  };

  const dress = () => {
    $$('[data-js]', order()).forEach((e) => { e.hidden = false; });
    const undo = $('#undo');
    if (undo) count(undo);
  };
  const start = () => {
    if (order()) dress();
    $('#print')?.addEventListener('click', () => print());
  };
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
  else start();
})();

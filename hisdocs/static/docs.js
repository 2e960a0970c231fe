// The reference's search, links into closed parts, and the forms that send
// messages to the sandbox. Without it the page is still whole, but for the
// forms.
'use strict';

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

// ---- Search: by number, name, field, title, code ----

const parts = $$('details.tx[data-name]').map(part => ({
  part,
  head: (part.id.replace(/^dict-/, '') + ' ' + part.dataset.name).toLowerCase(),
  rows: $$('tr[data-name], li[data-code]', part).map(row => ({
    row,
    name: row.dataset.name || row.dataset.code,
    title: ($('.title', row) || $('span', row)).textContent,
    text: '',
  })),
}));
for (const p of parts) {
  for (const r of p.rows) r.text = (r.name + ' ' + r.title).toLowerCase();
}

// shown is how many hits a closed part names.
const shown = 4;

function search() {
  const words = $('#query').value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  let transactions = 0, dictionaries = 0;
  for (const p of parts) {
    const byHead = words.every(w => p.head.includes(w));
    // A row may share the words with the head: 2207 总费用.
    const hits = words.length === 0 || byHead ? [] :
      p.rows.filter(r => words.every(w => r.text.includes(w) || p.head.includes(w)) && words.some(w => r.text.includes(w)));
    p.part.hidden = !(byHead || hits.length);
    for (const r of p.rows) r.row.classList.remove('hit');
    for (const r of hits) r.row.classList.add('hit');
    const names = [...new Set(hits.map(r => r.name + ' ' + r.title))];
    $('.hits', p.part).textContent = names.slice(0, shown).join('，') + (names.length > shown ? ` 等 ${names.length} 项` : '');
    if (!p.part.hidden) p.part.classList.contains('dict') ? dictionaries++ : transactions++;
  }
  const searching = words.length > 0;
  for (const group of $$('.group')) group.hidden = !$('details.tx:not([hidden])', group);
  for (const intro of $$('.intro')) intro.hidden = searching;
  $('#none').hidden = transactions + dictionaries > 0;
  $('#found').textContent = searching ? `${transactions} 个交易，${dictionaries} 个字典` : '';
}

// ---- Links into parts that are closed or filtered away ----

function follow() {
  let target = null;
  try {
    target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  } catch { /* a broken escape names nothing */ }
  if (!target) return;
  const part = target.closest('details');
  if (part && (part.hidden || part.closest('[hidden]'))) {
    $('#query').value = '';
    search();
  }
  if (part) part.open = true;
  target.scrollIntoView();
}

if ($('#query')) {
  $('#query').addEventListener('input', search);
  $('#search').addEventListener('submit', event => {
    event.preventDefault();
    const first = $('details.tx[data-name]:not([hidden])');
    if (first) {
      first.open = true;
      first.scrollIntoView();
    }
  });
  if ($('#query').value) search(); // kept by the browser over a reload
}
addEventListener('hashchange', follow);
follow();
// A second click on the same link follows it again.
document.addEventListener('click', event => {
  const link = event.target.closest('a[href^="#"]');
  if (link && link.getAttribute('href') === location.hash) follow();
});

// ---- Sending messages ----

const desk = $('#desk');
const known = {}; // the last value of every field of the replies, and the sign-in
let serial = 0;
let clock = 0; // how far the sandbox's clock is ahead of this one, in milliseconds

const pad = (n, width = 2) => String(n).padStart(width, '0');

// now is the sandbox's time, in China: 2025-06-20 10:00:00.
function now() {
  const t = new Date(Date.now() + clock + 8 * 3600e3);
  return `${t.getUTCFullYear()}-${pad(t.getUTCMonth() + 1)}-${pad(t.getUTCDate())} ${pad(t.getUTCHours())}:${pad(t.getUTCMinutes())}:${pad(t.getUTCSeconds())}`;
}

// setClock learns the sandbox's time from a reply: yyyyMMddHHmmssSSS.
function setClock(stamp) {
  const m = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/.exec(stamp || '');
  if (m) clock = Date.UTC(m[1], m[2] - 1, m[3], m[4] - 8, m[5], m[6], m[7]) - Date.now();
}

function sender() {
  const option = $('#provider').selectedOptions[0];
  return { code: option.value, name: option.dataset.name, region: option.dataset.region, operator: $('#operator').value.trim() };
}

// example is an example request with today's dates, the sender chosen, and
// what earlier replies gave in place of {field}.
function example(text) {
  const today = now().slice(0, 10);
  const s = sender();
  known.opter = s.operator;
  return text.replaceAll(desk.dataset.day, today).replaceAll(desk.dataset.provider, s.code)
    .replace(/\{([a-z_]+)\}/g, (whole, name) => known[name] ? JSON.stringify(known[name]).slice(1, -1) : whole);
}

// renew gives a message an envelope of its own.
function renew(message) {
  const s = sender();
  const time = now();
  serial = serial % 9999 + 1;
  Object.assign(message, {
    msgid: s.code + time.replace(/\D/g, '') + pad(serial, 4), inf_time: time, mdtrtarea_admvs: s.region,
    fixmedins_code: s.code, fixmedins_name: s.name, opter: s.operator, opter_name: s.operator, sign_no: known.sign_no || '',
  });
  return message;
}

// learn keeps the texts of a reply, at any depth, for later examples.
function learn(value) {
  for (const [name, v] of Object.entries(value || {})) {
    if (typeof v === 'string' && v !== '') known[name] = v;
    else if (v && typeof v === 'object') learn(v);
  }
}

async function post(text) {
  const start = performance.now();
  const answer = await fetch('/his', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: text });
  const blob = await answer.blob();
  const took = `${Math.round(performance.now() - start)} 毫秒`;
  if (!(answer.headers.get('Content-Type') || '').startsWith('application/json')) return { took, blob };
  const raw = await blob.text();
  const reply = JSON.parse(raw);
  setClock(reply.respond_time);
  return { took, raw, reply };
}

// titles are the titles and dictionaries of the fields of a part's replies.
function titles(part) {
  const all = new Map();
  for (const row of $$('tr[data-out]', part).reverse()) {
    const d = { title: $('.title', row).textContent, dict: row.dataset.dict };
    all.set(row.dataset.name, d);
    all.set(row.dataset.node + '.' + row.dataset.name, d);
  }
  return all;
}

// Sent is a number as it was sent, so that 107.20 is not shown as 107.2.
class Sent {
  constructor(text) { this.text = text; }
}

// print writes JSON into a pre, with the title of every field and the meaning
// of every code behind it.
function print(pre, raw, fields) {
  pre.textContent = '';
  const note = (node, name, value) => {
    const f = fields.get(node + '.' + name) || fields.get(name);
    if (!f) return '';
    const code = f.dict && value ? $(`[data-code="${CSS.escape(value)}"] span`, document.getElementById('dict-' + f.dict)) : null;
    return code ? `${f.title} · ${code.textContent}` : f.title;
  };
  const line = (depth, text, words) => {
    pre.append('  '.repeat(depth) + text);
    if (words) pre.append('  ', Object.assign(document.createElement('i'), { textContent: words }));
    pre.append('\n');
  };
  const write = (value, node, name, depth, comma) => {
    const key = name === null ? '' : JSON.stringify(name) + ': ';
    if (value === null || typeof value !== 'object' || value instanceof Sent) {
      const text = value instanceof Sent ? value.text : JSON.stringify(value);
      line(depth, key + text + comma, name === null ? '' : note(node, name, String(value)));
      return;
    }
    const list = Array.isArray(value);
    const members = list ? value.map(v => [null, v]) : Object.entries(value);
    const [open, close] = list ? '[]' : '{}';
    const words = name === null ? '' : note(node, name, '');
    if (members.length === 0) {
      line(depth, key + open + close + comma, words);
      return;
    }
    line(depth, key + open, words);
    members.forEach(([k, v], i) => write(v, name === null ? node : name, k, depth + 1, i < members.length - 1 ? ',' : ''));
    line(depth, close + comma, '');
  };
  // Browsers that do not tell how a number was sent leave out the third argument.
  write(JSON.parse(raw, (_, v, how) => typeof v === 'number' && how ? new Sent(how.source) : v), '', null, 0, '');
}

function curl(text) {
  return `curl -s '${location.origin}/his' \\\n  -H 'Content-Type: application/json' \\\n  -d @- <<'END'\n${text}\nEND`;
}

async function copy(form, text) {
  const said = $('.said', form);
  said.className = 'said';
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = '已复制。';
  } catch {
    // Pages that are not from this machine or by HTTPS have no clipboard.
    const got = $('.got', form);
    got.hidden = false;
    got.textContent = text;
    getSelection().selectAllChildren(got);
    said.textContent = '浏览器不许网页复制；命令已选中，请按 Ctrl+C。';
  }
}

function trial(part) {
  const place = $('.trial', part);
  if (!desk || !place || place.firstChild) return;
  place.append($('#try').content.cloneNode(true));
  const form = $('form', place), area = $('textarea', form), said = $('.said', form), got = $('.got', form);
  const reset = () => {
    area.value = example($('.request', part).textContent);
    area.rows = Math.min(area.value.split('\n').length + 1, 40);
  };
  const current = () => {
    if (!form.elements.fresh.checked) return area.value;
    const message = JSON.parse(example(area.value));
    return area.value = JSON.stringify(renew(message), null, 2);
  };
  const fields = new Map([...titles($('#reply')), ...titles(part)]);
  const fail = error => {
    said.className = 'said bad';
    said.textContent = error instanceof SyntaxError ? `报文不是 JSON：${error.message}` : `没有发出去：${error.message}`;
  };
  reset();
  $('[data-do=reset]', form).addEventListener('click', reset);
  $('[data-do=copy]', form).addEventListener('click', () => {
    try {
      copy(form, curl(current()));
    } catch (error) {
      fail(error);
    }
  });
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const button = $('[type=submit]', form);
    button.disabled = true;
    said.textContent = '';
    try {
      const text = current();
      const { took, raw, reply, blob } = await post(text);
      got.hidden = !reply;
      if (reply) {
        const good = String(reply.infcode) === '0';
        said.className = good ? 'said' : 'said bad';
        said.textContent = `${good ? '成功' : '失败'}，infcode ${reply.infcode}，用时 ${took}`;
        print(got, raw, fields);
        if (good) {
          known.msgid = JSON.parse(text).msgid;
          learn(reply.output);
          if (part.id === '9001') signedIn();
        }
      } else {
        said.className = 'said';
        said.textContent = `得到文件，${blob.size} 字节，用时 ${took}。`;
        const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: known.filename || '文件', textContent: '保存' });
        said.append(' ', link);
      }
    } catch (error) {
      fail(error);
    }
    button.disabled = false;
  });
}

function signedIn() {
  $('#signed').textContent = `${sender().name} 的操作员 ${sender().operator} 已签到，sign_no 为 ${known.sign_no}。`;
}

if (desk) {
  for (const part of $$('details.tx')) {
    part.addEventListener('toggle', () => part.open && trial(part));
    if (part.open) trial(part);
  }
  const forget = () => {
    delete known.sign_no;
    $('#signed').textContent = '机构或操作员已更换，请签到。';
  };
  $('#provider').addEventListener('change', forget);
  $('#operator').addEventListener('change', forget);
  $('#sign').addEventListener('submit', async event => {
    event.preventDefault();
    const signed = $('#signed');
    try {
      const text = example($('.request', document.getElementById('9001')).textContent);
      const { reply } = await post(JSON.stringify(renew(JSON.parse(text))));
      if (String(reply.infcode) !== '0') throw new Error(reply.err_msg);
      learn(reply.output);
      signedIn();
    } catch (error) {
      signed.textContent = `没有签到：${error.message}`;
    }
  });
}

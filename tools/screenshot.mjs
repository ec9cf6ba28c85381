#!/usr/bin/env node
// A picture of a report, as a reader with that window and theme sees it. Needs chromium (tools/packages-dev.txt).
//   tools/screenshot.mjs RUN/report.html picture.png [--width 1280] [--top 0] [--height N] [--theme light|dark] [--scale 2]
//                        [--media print] [--no-script] [--open]
// Takes --height from --top on, without --height all of the page. --open unfolds every <details>. Complains, and fails, when the page
// asks the network for anything, throws, or is wider than the window.
import { spawn } from 'node:child_process';
import { writeFileSync, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: given, positionals: [page, picture] } = parseArgs({
  allowPositionals: true,
  options: {
    width: { type: 'string', default: '1280' },
    top: { type: 'string', default: '0' },
    height: { type: 'string' },
    theme: { type: 'string', default: 'light' },
    scale: { type: 'string', default: '2' },
    media: { type: 'string', default: 'screen' },
    'no-script': { type: 'boolean', default: false },
    open: { type: 'boolean', default: false },
  },
});
if (!page || !picture || !existsSync(page)) {
  console.error('usage: tools/screenshot.mjs PAGE.html PICTURE.png [--width N] [--top N] [--height N] [--theme light|dark] [--scale N]\n'
    + '                                                   [--media print] [--no-script] [--open]');
  process.exit(2);
}

// Chromium speaks its DevTools protocol over two pipes: JSON messages, each ended by a zero byte.
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--remote-debugging-pipe'];
const browser = spawn(process.env.CHROMIUM ?? 'chromium', flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
browser.on('error', (error) => { console.error(`cannot start chromium: ${error.message}`); process.exit(1); });
const [, , , toBrowser, fromBrowser] = browser.stdio;
const waiting = new Map(), listeners = new Map();
let held = '', last = 0;
fromBrowser.setEncoding('utf8').on('data', (text) => {
  const messages = (held + text).split('\0');
  held = messages.pop();
  for (const message of messages.map((m) => JSON.parse(m))) {
    if (message.id) {
      const { accept, refuse } = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error) refuse(new Error(message.error.message));
      else accept(message.result);
    } else {
      listeners.get(message.method)?.(message.params);
    }
  }
});
let sessionId;
const send = (method, params = {}) => new Promise((accept, refuse) => {
  waiting.set(++last, { accept, refuse });
  toBrowser.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
});
const once = (method) => new Promise((accept) => listeners.set(method, accept));

const complaints = [];
const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
({ sessionId } = await send('Target.attachToTarget', { targetId, flatten: true }));
const width = Number(given.width), scale = Number(given.scale);
await send('Page.enable');
await send('Runtime.enable');
await send('Network.enable');
listeners.set('Runtime.exceptionThrown', ({ exceptionDetails: error }) => {
  complaints.push(`script error: ${error.exception?.description ?? error.text}`);
});
listeners.set('Network.requestWillBeSent', ({ request }) => {
  if (!/^(file|data|blob):/.test(request.url)) complaints.push(`asked the network for ${request.url}`);
});
await send('Log.enable');
listeners.set('Log.entryAdded', ({ entry }) => complaints.push(`${entry.level}: ${entry.text}`));
await send('Emulation.setDeviceMetricsOverride', { width, height: 900, deviceScaleFactor: scale, mobile: width < 600 });
await send('Emulation.setEmulatedMedia', { media: given.media, features: [{ name: 'prefers-color-scheme', value: given.theme }] });
if (given['no-script']) await send('Emulation.setScriptExecutionDisabled', { value: true });
const loaded = once('Page.loadEventFired');
await send('Page.navigate', { url: pathToFileURL(resolve(page)).href });
await loaded;
const ask = async (expression) => (await send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })).result.value;
if (given.open) await ask('for (const part of document.querySelectorAll("details")) part.open = true');
if (!given['no-script']) {
  if (given.media === 'print') await ask('dispatchEvent(new Event("beforeprint"))');
  await ask('new Promise((done) => setTimeout(done, 400))');
  const wide = await ask('document.documentElement.scrollWidth');
  if (wide > width) complaints.push(`the page is ${wide} wide in a window of ${width}`);
}
// The window grows to the page, so that everything in it is laid out and painted as seen.
const whole = Math.ceil((await send('Page.getLayoutMetrics')).cssContentSize.height);
await send('Emulation.setDeviceMetricsOverride', { width, height: whole, deviceScaleFactor: scale, mobile: width < 600 });
if (!given['no-script']) await ask('new Promise((done) => requestAnimationFrame(() => setTimeout(done, 200)))');
const top = Number(given.top), height = Math.min(Number(given.height ?? whole), whole - top);
const { data } = await send('Page.captureScreenshot', { format: 'png', clip: { x: 0, y: top, width, height, scale: 1 } });
writeFileSync(picture, Buffer.from(data, 'base64'));
for (const complaint of complaints) console.error(complaint);
await send('Browser.close').catch(() => {});
process.exitCode = complaints.length > 0 ? 1 : 0;

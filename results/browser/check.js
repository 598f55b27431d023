// Opens reports in a real browser, at the widths of a phone and of a desk, light and dark, and on
// paper, and says what a person would stumble over: text that leaves its picture, overlaps another
// or is tiny, a page wider than its window, and anything that is fetched. Leaves pictures to look at.
//
//   npm install playwright-core
//   node check.js PICTURES REPORT.html…
//
// CHROMIUM names the browser, /usr/bin/chromium if not set.

const fs = require('fs');
const path = require('path');
const { chromium } = require('playwright-core');

const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 900 } };

// Runs within the page.
function stumbles() {
  const found = [];
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) {
    found.push(`the page is ${page.scrollWidth} wide in a window of ${page.clientWidth}`);
  }
  for (const picture of document.querySelectorAll('svg.chart')) {
    if (getComputedStyle(picture).display === 'none') continue;
    const figure = picture.closest('figure').id;
    const box = picture.getBoundingClientRect();
    const texts = [...picture.querySelectorAll('text')]
      .map((text) => ({ says: text.textContent.trim(), at: text.getBoundingClientRect() }));
    texts.forEach(({ says, at }, index) => {
      const isOut = at.left < box.left - 1 || at.right > box.right + 1
        || at.top < box.top - 1 || at.bottom > box.bottom + 1;
      if (isOut) found.push(`${figure}: "${says}" leaves its picture`);
      if (at.height < 11) found.push(`${figure}: "${says}" is ${at.height.toFixed(1)} high`);
      for (const other of texts.slice(0, index)) {
        const wide = Math.min(at.right, other.at.right) - Math.max(at.left, other.at.left);
        const high = Math.min(at.bottom, other.at.bottom) - Math.max(at.top, other.at.top);
        if (wide > 0 && high > 3) found.push(`${figure}: "${says}" lies on "${other.says}"`);
      }
    });
  }
  return found;
}

async function main([pictures, ...reports]) {
  if (!pictures || reports.length === 0) {
    console.error('usage: node check.js PICTURES REPORT.html…');
    return 2;
  }
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  fs.mkdirSync(pictures, { recursive: true });
  let bad = 0;
  for (const report of reports) {
    const file = path.resolve(report);
    const name = path.basename(path.dirname(file));
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of ['light', 'dark']) {
        const context = await browser.newContext({ viewport, colorScheme });
        const page = await context.newPage();
        const found = [];
        page.on('request', (request) => {
          if (!/^(file|data):/.test(request.url())) found.push(`fetches ${request.url()}`);
        });
        page.on('console', (message) => found.push(message.text()));
        await page.goto(`file://${file}`);
        found.push(...await page.evaluate(stumbles));
        const picture = path.join(pictures, `${name}-${size}-${colorScheme}.png`);
        await page.screenshot({ path: picture, fullPage: true });
        console.log(`${found.length ? 'BAD' : 'ok'}  ${picture}`);
        found.forEach((what) => console.log(`     ${what}`));
        bad += found.length;
        await context.close();
      }
    }
    const page = await browser.newPage();
    await page.goto(`file://${file}`);
    await page.pdf({ path: path.join(pictures, `${name}.pdf`), format: 'A4' });
    await page.close();
  }
  await browser.close();
  return bad ? 1 : 0;
}

main(process.argv.slice(2)).then((code) => process.exit(code));

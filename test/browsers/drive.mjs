// Drives one browser through one visit. Reads the visit as JSON from standard
// input, and writes JSON lines: first the process id of the browser, so that
// it can be ended from outside, at last what was seen.
import { readFileSync } from 'node:fs'
import puppeteer from 'puppeteer-core'

const visit = JSON.parse(readFileSync(0, 'utf8'))

const chromium = {
	browser: 'chrome',
	pipe: true,
	args: [
		'--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
		'--disable-background-networking', '--disable-component-update', '--disable-sync',
		'--host-resolver-rules=MAP *.shop.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
	],
}
const firefox = {
	browser: 'firefox',
	extraPrefsFirefox: {
		'network.dns.localDomains': visit.hosts.join(','),
		'network.dns.disableIPv6': true,
		'layout.css.prefers-color-scheme.content-override': visit.dark ? 0 : 1,
		// Nothing of its own accord.
		'network.captive-portal-service.enabled': false,
		'network.connectivity-service.enabled': false,
		'network.prefetch-next': false,
		'network.dns.disablePrefetch': true,
		'network.http.speculative-parallel-limit': 0,
		'network.trr.mode': 5,
		'browser.safebrowsing.malware.enabled': false,
		'browser.safebrowsing.phishing.enabled': false,
		'services.settings.server': 'data:,',
		'app.normandy.enabled': false,
		'datareporting.policy.dataSubmissionEnabled': false,
		'extensions.update.enabled': false,
		'app.update.enabled': false,
	},
}

const browser = await puppeteer.launch({
	...(visit.browser === 'firefox' ? firefox : chromium),
	executablePath: visit.executable,
	userDataDir: visit.profile,
	headless: true,
	timeout: visit.timeout,
	protocolTimeout: visit.timeout,
})
console.log(JSON.stringify({ pid: browser.process().pid }))

// A page that shows an error may still be on its way when it is known to have
// failed.
async function shoot(page, path) {
	for (let left = visit.timeout / 250; ; left--) {
		try {
			return await page.screenshot({ path })
		} catch (error) {
			if (left <= 0) throw error
			await new Promise(resolve => setTimeout(resolve, 250))
		}
	}
}

// Enter leads elsewhere.
async function press(page, key) {
	if (key !== 'Enter') return page.keyboard.press(key)
	await Promise.all([page.waitForNavigation({ timeout: visit.timeout }), page.keyboard.press(key)])
}

async function open({ url, results, screenshot, look }) {
	const seen = {}
	const page = await browser.newPage()
	await page.setViewport(look ? { width: look.width, height: look.height } : { width: 900, height: 400 })
	if (look) {
		// A policy that forbids what the page has is told here.
		seen.console = []
		page.on('console', message => { if (message.type() === 'error') seen.console.push(message.text()) })
		if (visit.dark && visit.browser !== 'firefox') await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }])
	}
	try {
		const response = await page.goto(url, { timeout: visit.timeout })
		seen.status = response?.status()
	} catch (error) {
		seen.error = error.message
		// What a user sees is worth a picture; a browser that shows nothing is
		// no fault.
		await page.waitForFunction('document.body?.innerText', { timeout: 1000 }).catch(() => {})
	}
	if (results && seen.status === 200) {
		await page.waitForFunction('window.results !== undefined', { timeout: visit.timeout })
		seen.results = await page.evaluate('window.results')
	}
	if (look) {
		for (const key of look.keys ?? []) await (key.length === 1 ? page.keyboard.type(key) : press(page, key))
		Object.assign(seen, await page.evaluate(() => ({
			text: document.body.innerText,
			url: location.pathname + location.search,
			focus: document.activeElement.textContent,
			wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
			background: getComputedStyle(document.body).backgroundColor,
		})))
	}
	await shoot(page, screenshot)
	return seen
}

const seen = { version: await browser.version(), pages: [] }
try {
	for (const page of visit.pages) seen.pages.push(await open(page))
} finally {
	await browser.close()
}
console.log(JSON.stringify(seen))

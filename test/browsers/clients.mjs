// Node's two HTTP clients. Arguments: fetch or http2, the port, the CA's file.
// Writes one JSON object: what a program got of each step.
import dns from 'node:dns'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'

const [what, port, caFile] = process.argv.slice(2)
const body = 'x'.repeat(65536)
const got = {}

// All names are on loopback.
dns.lookup = (_name, options, callback) => {
	if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
	else callback(null, '127.0.0.1', 4)
}

const authority = name => `${name}.shop.test:${port}`

// step notes what comes of a request, or why nothing did.
async function step(name, ask) {
	try {
		got[name] = await ask()
	} catch (error) {
		got[name] = `failed: ${error.cause?.code ?? error.code ?? error.message}`
	}
}

// NODE_EXTRA_CA_CERTS names the CA.
async function useFetch() {
	const ask = (name, init) => async () => {
		const response = await fetch(`https://${authority(name)}/echo`, init)
		await response.text()
		return String(response.status)
	}
	await step('page', ask('page'))
	await step('share', ask('share'))
	// It sends no authority but that of the URL.
	await step('get', ask('nowhere'))
	await step('post', ask('nowhere', { method: 'POST', body }))
	await step('locked', ask('locked'))
}

async function useHTTP2() {
	const ca = readFileSync(caFile)
	const sessions = {}
	// A program makes its sessions itself: one for each host.
	const ask = (name, target = name, method = 'GET') => () => new Promise((resolve, reject) => {
		const session = sessions[name] ??= http2.connect(`https://${authority(name)}`, { ca })
		session.on('error', reject)
		const request = session.request({ ':method': method, ':path': '/echo', ':authority': authority(target) })
		request.on('error', reject)
		let status
		request.on('response', headers => { status = String(headers[':status']) })
		request.on('end', () => resolve(status))
		request.resume()
		request.end(method === 'POST' ? body : undefined)
	})
	await step('page', ask('page'))
	await step('share', ask('share'))
	await step('page-get', ask('page-get'))
	await step('get', ask('page-get', 'get'))
	await step('after', ask('page-get', 'after'))
	await step('page-post', ask('page-post'))
	await step('post', ask('page-post', 'post', 'POST'))
	await step('locked', ask('locked'))
	got.origins = (sessions['page-get'].originSet ?? []).join(' ')
	for (const session of Object.values(sessions)) session.destroy()
}

await (what === 'fetch' ? useFetch() : useHTTP2())
console.log(JSON.stringify({ version: what === 'fetch' ? process.versions.undici : process.versions.node, got }))
process.exit(0)

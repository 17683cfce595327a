// What the programs that trade with kraken-sim share. It is at $SIM, and fills orders on request.
import { readFileSync } from 'node:fs';

setTimeout(() => { throw new Error('no end in sight'); }, 120_000).unref();

export const host = process.env.SIM;
export const url = `https://${host}`;

// The key pair that it knows.
export const apiKey = 'EXAMPLE/KEY/OF/THE/KRAKEN/SIMULATOR/NOT/A/REAL/KEY/00000';
export const apiSecret = readFileSync('example-secret', 'utf8').trim();

// Without a quantity all that is left is filled, without a price at the order's own.
export async function fill(order_id, quantity, price) {
    const answer = await fetch(`${url}/sim/fill`, { method: 'POST', body: JSON.stringify({ order_id, quantity, price }) });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
}

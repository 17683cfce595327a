// ccxt on its own, with a key pair of its own: it signs requests, gets a token, and subscribes with it. What the
// simulated Kraken takes from ccxt and from the engine alike is no invention of this project.
import { readFileSync } from 'node:fs';
import ccxt from 'ccxt';

setTimeout(() => { throw new Error('no end in sight'); }, 120_000).unref();

const kraken = new ccxt.pro.kraken({
    apiKey: process.env.CCXT_KEY,
    secret: readFileSync('ccxt-secret', 'utf8').trim(),
});
Object.assign(kraken.urls.api, { public: process.env.KRAKEN_URL, private: process.env.KRAKEN_URL });
Object.assign(kraken.urls.api.ws, { privateV2: process.env.KRAKEN_WS });

const balance = await kraken.fetchBalance();
console.log('balance', balance.BTC.total, 'BTC', balance.USD.total, 'USD');

const { result } = await kraken.privatePostGetWebSocketsToken();
console.log('token of', result.token.length, 'characters, expires in', result.expires);

const watched = await kraken.watchBalance();
console.log('subscribed:', watched.ETH.total, 'ETH');
await kraken.close();

kraken.secret = Buffer.from('not the private key').toString('base64');
await kraken.fetchBalance().catch((error) => console.log('refused:', error.message));

// A trading application made of two libraries that nobody here wrote: node-vault logs in by AppRole and reads a token, and
// ccxt trades with it over Kraken's private WebSocket. There is no Kraken key in it.
import { readFileSync } from 'node:fs';
import ccxt from 'ccxt';
import nodeVault from 'node-vault';

setTimeout(() => { throw new Error('no end in sight'); }, 120_000).unref();

const vault = nodeVault({ endpoint: process.env.VAULT_ADDR });
await vault.approleLogin({
    role_id: readFileSync('role-id', 'utf8').trim(),
    secret_id: readFileSync('secret-id', 'utf8').trim(),
});

// What ccxt has to be told: where a token comes from.
class KrakenWithVault extends ccxt.pro.kraken {
    async authenticate() {
        const { data } = await vault.read('kraken/ws-token');
        return data.token;
    }
}

const kraken = new KrakenWithVault();
Object.assign(kraken.urls.api, { public: process.env.KRAKEN_URL, private: process.env.KRAKEN_URL });
Object.assign(kraken.urls.api.ws, { privateV2: process.env.KRAKEN_WS });

const balance = await kraken.watchBalance();
console.log('balance', balance.BTC.total, 'BTC');

const placed = await kraken.createOrderWs('BTC/USD', 'limit', 'buy', 0.01, 20_000);
const [order] = await kraken.watchOrders('BTC/USD');
console.log('order', order.status, order.side, order.amount, order.symbol, order.id === placed.id);

await kraken.cancelOrderWs(placed.id);
console.log('canceled');
await kraken.close();

// What the policy doesn't allow.
await vault.read('kraken/config').catch((error) => console.log('refused:', error.response.statusCode, error.message));

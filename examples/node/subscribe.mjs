// Keeps ccxt subscribed to Kraken's private feed, with a new token from Vault for each connection. It logs in by AppRole
// if there is a file role-id, otherwise it uses VAULT_TOKEN. There is no Kraken key in it.
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import ccxt from 'ccxt';
import nodeVault from 'node-vault';

const path = 'kraken/ws-token';

async function readToken(stale) {
    const vault = nodeVault({ rpDefaults: { timeout: 60_000 } }); // at VAULT_ADDR
    if (existsSync('role-id')) {
        const [role_id, secret_id] = ['role-id', 'secret-id'].map((name) => readFileSync(name, 'utf8').trim());
        await vault.approleLogin({ role_id, secret_id });
    }
    // A token that was refused isn't to come from the engine's cache again, if the policy allows that.
    const minted = stale && await vault.write(path, {}).catch(() => null);
    return (minted || await vault.read(path)).data;
}

class KrakenWithVault extends ccxt.pro.kraken {
    // ccxt asks for the token before each watch…; a connection needs one only.
    async authenticate() {
        return this.wsToken;
    }

    // ccxt would wait for ever for a subscription that was refused.
    handleErrorMessage(client, message) {
        if (message.error !== undefined && message.method === 'subscribe') {
            client.onError(new ccxt.AuthenticationError(message.error));
            client.close();
        }
        return super.handleErrorMessage(client, message);
    }
}

const kraken = new KrakenWithVault({ options: { ws: { backoff: { base: 0 } } } }); // the wait is below
kraken.urls.api.public = process.env.KRAKEN_URL ?? kraken.urls.api.public; // a simulated Kraken
for (let wait = 1000, stale = false; ;) {
    const started = Date.now();
    try {
        const { token, websocket_url, expires_at } = await readToken(stale);
        console.log('new token, to connect with until', expires_at);
        kraken.wsToken = token;
        kraken.urls.api.ws.privateV2 = websocket_url;
        while (true) console.log(JSON.stringify(await kraken.watchOrders()));
    } catch (error) {
        stale = error.message.includes('ESession:Invalid session');
        console.error(error.message);
    }
    await kraken.close();
    wait = Math.max(1000, Math.min(2 * wait - (Date.now() - started), 15_000)); // short after a long connection
    await sleep(Math.random() * wait); // at random, so that many don't come back at once
}

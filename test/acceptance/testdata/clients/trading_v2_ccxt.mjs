// ccxt trades over Kraken's WebSocket v2 with a token that it is given: it places, amends and cancels, and watches its orders,
// its trades and its balance. The token is on the standard input. The simulator fills its orders.
import { readFileSync } from 'node:fs';
import ccxt from 'ccxt';
import { fill, host, url } from './simulator.mjs';

const token = readFileSync(0, 'utf8').trim();

class KrakenWithToken extends ccxt.pro.kraken {
    async authenticate() { return token; }
}

function connect() {
    const kraken = new KrakenWithToken();
    Object.assign(kraken.urls.api, { public: url, private: url });
    Object.assign(kraken.urls.api.ws, { privateV2: `wss://${host}/v2` });
    return kraken;
}

// ccxt keeps what it was told last of an order. Most messages don't say which market it is about: those are kept apart.
const told = (kraken, id, type) => kraken.orders.find(({ id: other, info }) => other === id && info.exec_type === type);

async function until(condition) {
    for (let found; ; await new Promise((resolve) => { setTimeout(resolve, 5); })) {
        if ((found = condition())) return found;
    }
}

const kraken = connect();
const start = await kraken.watchBalance();
console.log('balance', start.BTC.total, 'BTC', start.USD.total, 'USD');

const placed = await kraken.createOrderWs('BTC/USD', 'limit', 'buy', 0.01, 20_000, { clientOrderId: 'mine' });
const [order] = await kraken.watchOrders('BTC/USD');
console.log('in the snapshot:', order.status, order.side, order.amount, order.symbol, 'at', order.price, order.id === placed.id);

const amended = await kraken.editOrderWs(placed.id, 'BTC/USD', 'limit', 'buy', 0.02, 21_000);
console.log('amended, with the same id:', amended.id === placed.id);
const change = await until(() => told(kraken, placed.id, 'amended'));
console.log('told:', change.status, change.amount, 'at', change.price, change.info.reason);

for (const [quantity, price] of [[0.005, 20_900], []]) {
    const traded = kraken.watchMyTrades('BTC/USD');
    await fill(placed.id, quantity, price);
    const [trade] = await traded;
    console.log('trade:', trade.side, trade.amount, 'at', trade.price, 'cost', trade.cost, trade.takerOrMaker,
        'fee', trade.fee.cost, trade.fee.currency, trade.order === placed.id);
}
const filled = await until(() => told(kraken, placed.id, 'filled'));
console.log('told:', filled.status, filled.info.cum_qty, 'at', filled.average, 'fee', filled.fee.cost);
await until(() => kraken.balance.spot.BTC.total === 2.02 && kraken.balance.spot.USD.total < 99_600);
console.log('balance', kraken.balance.spot.BTC.total, 'BTC', kraken.balance.spot.USD.total, 'USD');

const ids = [];
for (const price of [1_000, 2_000]) ids.push((await kraken.createOrderWs('ETH/USD', 'limit', 'buy', 1, price)).id);
const { result } = await kraken.cancelOrdersWs(ids);
console.log('canceled, one answer for each:', result.order_id === ids[0]);
for (const id of ids) await until(() => told(kraken, id, 'canceled'));

const last = await kraken.createOrderWs('ETH/USD', 'limit', 'sell', 1, 9_000);
console.log('canceled all:', (await kraken.cancelAllOrdersWs()).result.count);
console.log('told:', (await until(() => told(kraken, last.id, 'canceled'))).info.reason);

for (const refused of [
    () => kraken.cancelOrderWs(last.id),
    () => kraken.editOrderWs(last.id, 'ETH/USD', 'limit', 'sell', 2, 9_000),
    () => kraken.createOrderWs('BTC/USD', 'limit', 'buy', 50, 20_000),
    () => kraken.createOrderWs('BTC/USD', 'limit', 'buy', 0.01, 20_000, { clientOrderId: 'nineteen characters' }),
    () => kraken.createOrderWs('BTC/USD', 'market', 'sell', 0.01, undefined, { stopLossPrice: 15_000 }),
    () => kraken.createOrderWs('BTC/USD', 'limit', 'buy', 0.01, 20_000, { timeInForce: 'GTD' }),
]) await refused().catch((error) => console.log('refused:', error.constructor.name, error.message));
await kraken.close();

const again = connect();
const trades = await again.watchMyTrades();
console.log('a new connection:', trades.length, 'trades, with the ids', trades.map(({ info }) => info.trade_id).join(' '));
await again.close();

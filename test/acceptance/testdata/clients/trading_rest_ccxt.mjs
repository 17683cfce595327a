// ccxt trades over Kraken's REST API. What it prints is what it has made of the answers.
import ccxt from 'ccxt';
import { apiKey, apiSecret, fill, url } from './simulator.mjs';

const kraken = new ccxt.kraken({
    apiKey,
    secret: apiSecret,
    rateLimit: 20, // instead of a second, for a Kraken that is near
});
Object.assign(kraken.urls.api, { public: url, private: url });

const show = (what, o) => console.log(`${what}:`, o.status, o.side, o.type, o.amount, o.symbol, 'at', o.price, 'filled', o.filled);
const refused = (what, promise) => promise.then(
    () => console.log(`${what}: not refused`),
    (error) => console.log(`${what}:`, error.name, error.message));

let balance = await kraken.fetchBalance();
console.log('balance:', balance.BTC.free, 'BTC', balance.USD.free, 'USD');

const validated = await kraken.createOrder('BTC/USD', 'limit', 'buy', 0.01, 20_000, { validate: true });
console.log('validated:', validated.id, validated.side, validated.amount, validated.symbol);
console.log('open:', (await kraken.fetchOpenOrders()).length);

const mine = '6d1b345e-2821-40e2-ad83-4ecb18a06876';
const placed = await kraken.createOrder('BTC/USD', 'limit', 'buy', 0.01, 20_000, { clientOrderId: mine, postOnly: true });
let [open] = await kraken.fetchOpenOrders('BTC/USD');
show('placed', open);
console.log('its names:', open.id === placed.id, open.clientOrderId === mine, open.postOnly);
balance = await kraken.fetchBalance();
console.log('used:', balance.USD.used, 'USD');

await kraken.editOrder(placed.id, 'BTC/USD', 'limit', 'buy', 0.02, 21_000.5);
show('edited', await kraken.fetchOrder(placed.id));
await fill(placed.id, 0.005);
[open] = await kraken.fetchOpenOrders(undefined, undefined, undefined, { clientOrderId: mine });
show('filled in part', open);
await kraken.cancelOrder(placed.id);
await refused('canceled twice', kraken.cancelOrder(placed.id));

const sold = await kraken.createOrder('ETH/USD', 'limit', 'sell', 2, 2_500);
await fill(sold.id);
const closed = await kraken.fetchClosedOrders(undefined, Date.now() - 60_000);
for (const order of closed) show('closed', order);
console.log('paid:', closed[1].cost, 'and', Number(closed[1].fee.cost), closed[1].fee.currency);
const trades = await kraken.fetchMyTrades('ETH/USD');
for (const trade of trades) {
    console.log('trade:', trade.side, trade.amount, trade.symbol, 'at', trade.price, trade.takerOrMaker, trade.order === sold.id);
}
balance = await kraken.fetchBalance();
console.log('balance:', balance.BTC.total, 'BTC', balance.ETH.total, 'ETH', balance.USD.total, 'USD');

await kraken.createOrder('BTC/USD', 'limit', 'buy', 0.01, 20_000, { userref: 7 });
await kraken.createOrder('BTC/USD', 'limit', 'buy', 0.01, 20_000);
await kraken.cancelOrder(undefined, undefined, { userref: 7 });
console.log('switch:', (await kraken.cancelAllOrdersAfter(60_000)).result.triggerTime !== '0');
console.log('switch off:', (await kraken.cancelAllOrdersAfter(0)).result.triggerTime);
const [all] = await kraken.cancelAllOrders();
console.log('canceled all:', all.info.result.count);

await refused('too small', kraken.createOrder('BTC/USD', 'limit', 'buy', 0.00001, 20_000));
await refused('too much', kraken.createOrder('BTC/USD', 'limit', 'buy', 100, 20_000));
await refused('a stop', kraken.createOrder('BTC/USD', 'limit', 'sell', 0.01, 19_000, { stopLossPrice: 19_500 }));
await refused('a conditional close', kraken.createOrder('BTC/USD', 'limit', 'buy', 0.01, 20_000, { close: { ordertype: 'limit', price: 30_000 } }));

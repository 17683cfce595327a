// kraken-api, which names no content type, trades over Kraken's REST API. What it prints is what it got.
import KrakenClient from 'kraken-api';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiKey, apiSecret, url } from './simulator.mjs';

const kraken = new KrakenClient(apiKey, apiSecret, { url });
const api = async (method, fields) => {
    await sleep(2); // two calls in one millisecond would have the same nonce
    return (await kraken.api(method, fields)).result;
};
const refused = (what, promise) => promise.then(
    () => console.log(`${what}: not refused`),
    (error) => console.log(`${what}:`, error.message));

console.log('pairs:', Object.keys(await api('AssetPairs')).join(' '));
console.log('balance:', (await api('Balance')).XXBT);
console.log('trade balance:', (await api('TradeBalance', { asset: 'ZUSD' })).eb);

const order = { pair: 'XXBTZUSD', type: 'buy', ordertype: 'limit', volume: '0.01', price: '20000' };
console.log('validated:', JSON.stringify(await api('AddOrder', { ...order, validate: true })));
const { txid: [id], descr } = await api('AddOrder', { ...order, userref: 7 });
console.log('placed:', descr.order);
console.log('open:', JSON.stringify((await api('OpenOrders', { userref: 7 })).open[id].descr));
console.log('canceled:', JSON.stringify(await api('CancelOrder', { txid: id })));
const { closed, count } = await api('ClosedOrders', { ofs: 0 });
console.log('closed:', count, closed[id].status, closed[id].reason);
console.log('asked for:', (await api('QueryOrders', { txid: id }))[id].status);
console.log('trades:', (await api('TradesHistory')).count);

await refused('canceled twice', api('CancelOrder', { txid: id }));
await refused('another pair', api('AddOrder', { ...order, pair: 'XXBTZEUR' }));
await refused('too much', api('AddOrder', { ...order, volume: '100' }));
await refused('a conditional close', api('AddOrder', { ...order, close: { ordertype: 'limit', price: '30000' } }));

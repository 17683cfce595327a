// A client of Kraken's WebSocket v1 made of npm's ws and nothing else. It trades with the token that "vault read" has put on its
// standard input, and has the simulator fill an order. It prints what it gets, but no id and no token.
import { text } from 'node:stream/consumers';
import WebSocket from 'ws';
import { fill, host } from './simulator.mjs';

const { data: { token } } = JSON.parse(await text(process.stdin));

// A connection, and what has come over it.
class Connection {
    constructor() {
        this.received = [];
        this.socket = new WebSocket(`wss://${host}`);
        this.socket.on('error', (error) => { throw error; });
        this.socket.on('message', (message) => {
            const content = JSON.parse(message);
            if (content.event === 'heartbeat') return;
            this.received.push(content);
            this.wake?.();
        });
    }

    async next() {
        while (!this.received.length) await new Promise((wake) => { this.wake = wake; });
        return this.received.shift();
    }

    // The next message of a channel: of all its entries, id and content.
    async entries(channel) {
        const [entries, name] = await this.next();
        if (name !== channel) throw new Error(`${name}, not ${channel}`);
        return entries.flatMap(Object.entries);
    }

    async ask(request) {
        this.socket.send(JSON.stringify(request));
        const answer = await this.next();
        if (answer.status === 'error') console.log('refused:', answer.errorMessage);
        return answer;
    }

    trade(event, fields) { return this.ask({ event, token, ...fields }); }

    subscribe(name, options) {
        return this.ask({ event: 'subscribe', subscription: { name, token, ...options } });
    }
}

const kraken = new Connection();
const { event, status } = await kraken.next();
console.log(event, status);
for (const [name, options] of [['ownTrades', {}], ['openOrders', { ratecounter: true }]]) {
    const answer = await kraken.subscribe(name, options);
    console.log(answer.status, answer.channelName + ',', (await kraken.entries(name)).length, 'in the snapshot');
}
const refused = await kraken.subscribe('ticker');
console.log('and the token comes back:', refused.subscription.token === token);

const names = {}; // of orders, by id
const rates = []; // where the trading rate counter stood with each new order

async function orderChange() {
    const [[id, order]] = await kraken.entries('openOrders');
    if (order.status === undefined) {
        console.log(`${names[id]}: filled ${order.vol_exec} at ${order.avg_price}`);
        return;
    }
    const details = order.descr ? ` ${order.descr.order}` : order.cancel_reason ? `, ${order.cancel_reason}` : '';
    console.log(`${names[id]}: ${order.status}${details}`);
    if (order.descr) rates.push(order.ratecount);
}

async function ownTrade() {
    const [[, trade]] = await kraken.entries('ownTrades');
    console.log(`trade of ${names[trade.ordertxid]}: ${trade.vol} at ${trade.price}, fee ${trade.fee}`);
}

const order = { pair: 'XBT/USD', type: 'buy', ordertype: 'limit', price: '20000', volume: '0.01' };
const validated = await kraken.trade('addOrder', { ...order, validate: 'true' });
console.log(`validated ${validated.descr}, with an id: ${'txid' in validated}`);
const first = await kraken.trade('addOrder', order);
names[first.txid] = 'first';
console.log('placed', first.descr);
await orderChange();
await orderChange();

const second = await kraken.trade('editOrder', {
    orderid: first.txid, pair: order.pair, price: '21000', volume: '0.02', reqid: 3,
});
if (second.originaltxid !== first.txid || second.reqid !== 3) throw new Error('not what was edited');
names[second.txid] = 'second';
console.log('edited', second.descr);
for (let i = 0; i < 3; i++) await orderChange();

await fill(second.txid, 0.005, 20_900);
await orderChange();
await ownTrade();
await fill(second.txid);
await orderChange();
await ownTrade();
await orderChange();

const other = { pair: 'ETH/USD', type: 'buy', ordertype: 'limit', price: '1000', volume: '1' };
await kraken.trade('addOrder', { ...other, leverage: '2' });
names[(await kraken.trade('addOrder', other)).txid] = 'third';
await orderChange();
await orderChange();
const armed = await kraken.trade('cancelAllOrdersAfter', { timeout: 1 });
if (Date.parse(armed.triggerTime) - Date.parse(armed.currentTime) !== 1000) throw new Error('not a second');
console.log('in a second all are canceled, if nothing comes');
await orderChange();

names[(await kraken.trade('addOrder', { ...other, type: 'sell', price: '9000' })).txid] = 'fourth';
await orderChange();
await orderChange();
await kraken.trade('cancelAllOrdersAfter', { timeout: 60 });
console.log('in a minute all are canceled, if nothing comes');
if ((await kraken.trade('cancelAllOrdersAfter', { timeout: 0 })).triggerTime === '0') console.log('never mind');
console.log('canceled', (await kraken.trade('cancelAll')).count);
await orderChange();

const left = await kraken.ask({ event: 'unsubscribe', subscription: { name: 'ownTrades', token } });
console.log(left.status, left.channelName);

const again = new Connection();
await again.next();
await again.subscribe('ownTrades');
const trades = await again.entries('ownTrades');
console.log(`a new connection: ${trades.length} trades, the last one first: ${trades[0][1].vol}`);
console.log('the rate counter came with each new order:', rates.every((rate) => rate > 0));
again.socket.close();
kraken.socket.close();

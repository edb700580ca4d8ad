import { E } from '@endo/eventual-send';
import { Far } from '@endo/far';
import { makeScalarBigMapStore } from '@agoric/vat-data';

/** Moves what one trader has to another: promises over two vats, a device call, a row in the store. */
export const buildRootObject = vatPowers => {
  const { D } = vatPowers;
  const trades = makeScalarBigMapStore('trades', { durable: true });
  const accounts = new Map();
  let tape;
  let count = 0n;
  return Far('market', {
    open: async (ledger, device, traders) => {
      tape = device;
      for (let i = 0; i < traders; i += 1) {
        accounts.set(`trader${i}`, E(ledger).open(`trader${i}`));
      }
      await Promise.all(accounts.values());
    },
    trade: async (from, to, amount) => {
      const left = E(accounts.get(from)).withdraw(amount);
      const got = E(accounts.get(to)).deposit(amount);
      const balances = await Promise.all([left, got]);
      count += 1n;
      const at = D(tape).note(`${from} ${to} ${amount}`);
      trades.init(count, harden({ from, to, amount, at, balances }));
      return count;
    },
  });
};

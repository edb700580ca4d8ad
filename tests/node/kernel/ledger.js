import { Far } from '@endo/far';
import { makeScalarBigMapStore, prepareExoClass } from '@agoric/vat-data';
import { M } from '@endo/patterns';

const AccountI = M.interface('Account', {
  withdraw: M.call(M.bigint()).returns(M.bigint()),
  deposit: M.call(M.bigint()).returns(M.bigint()),
});

/** Durable accounts: each call of one is vatstore reads and writes. */
export const buildRootObject = (vatPowers, parameters, baggage) => {
  const makeAccount = prepareExoClass(
    baggage,
    'Account',
    AccountI,
    owner => ({ owner, balance: 1000n, moves: 0n }),
    {
      withdraw(amount) {
        const { state } = this;
        if (amount > state.balance) {
          throw Error(`${state.owner} has ${state.balance}, not ${amount}`);
        }
        state.balance -= amount;
        state.moves += 1n;
        return state.balance;
      },
      deposit(amount) {
        const { state } = this;
        state.balance += amount;
        state.moves += 1n;
        return state.balance;
      },
    },
  );
  const accounts = makeScalarBigMapStore('accounts', { durable: true });
  baggage.init('accounts', accounts);
  return Far('ledger', {
    open: owner => {
      const account = makeAccount(owner);
      accounts.init(owner, account);
      return account;
    },
  });
};

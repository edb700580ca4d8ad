import { E } from '@endo/eventual-send';
import { Far } from '@endo/far';

/** Opens the accounts, and carries each action of a block to the market. */
export const buildRootObject = (vatPowers, { traders }) => {
  let market;
  return Far('bootstrap', {
    bootstrap: async (vats, devices) => {
      market = vats.market;
      await E(market).open(vats.ledger, devices.tape, traders);
    },
    act: async (height, action) => {
      const [from, to] = [(height + action) % traders, (height * 7 + action * 3 + 1) % traders];
      return E(market).trade(`trader${from}`, `trader${to}`, BigInt(1 + (action % 5)));
    },
  });
};

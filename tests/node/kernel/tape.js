import { Far } from '@endo/far';

/** A device with a state of its own, which the kernel keeps in its store. */
export const buildRootDeviceNode = ({ getDeviceState, setDeviceState }) => {
  let notes = (getDeviceState() || { notes: 0 }).notes;
  return Far('tape', {
    note: text => {
      notes += 1;
      setDeviceState(harden({ notes, last: text }));
      return notes;
    },
  });
};

package sdk54

import snapshottypes "github.com/cosmos/cosmos-sdk/store/v2/snapshots/types"

// AnnounceSnapshotHeight keeps a height from being pruned while a snapshot is made of it.
// The SDK asks the store whether it has this method.
func (s *commitStore) AnnounceSnapshotHeight(height int64) {
	if inner, is := s.CommitMultiStore.(snapshottypes.SnapshotAnnouncer); is {
		inner.AnnounceSnapshotHeight(height)
	}
}

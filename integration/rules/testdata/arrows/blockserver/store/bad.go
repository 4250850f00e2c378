package store

import (
	_ "github.com/hashicorp/raft"

	_ "github.com/seed-7d21a5b5/ashlar/blockserver"
	_ "github.com/seed-7d21a5b5/ashlar/client"
	_ "github.com/seed-7d21a5b5/ashlar/protocol"
)

package api

import (
	_ "github.com/seed-7d21a5b5/ashlar/metaserver/state"
	_ "github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

package client

import (
	_ "github.com/seed-7d21a5b5/ashlar/client/ashlartest"
	_ "github.com/seed-7d21a5b5/ashlar/metaserver/state"
)

package client

func long() {
	println(1)
	println(2)
	println(3)
	println(4)
	println(5)
	println(6)
	println(7)
	println(8)
	println(9)
	println(10)
	println(11)
	println(12)
	println(13)
	println(14)
	println(15)
	println(16)
	println(17)
	println(18)
	println(19)
	println(20)
	println(21)
	println(22)
	println(23)
	println(24)
	println(25)
	println(26)
	println(27)
	println(28)
	println(29)
	println(30)
	println(31)
	println(32)
	println(33)
	println(34)
	println(35)
	println(36)
	println(37)
	println(38)
	println(39)
	println(40)
	println(41)
	println(42)
	println(43)
	println(44)
	println(45)
	println(46)
	println(47)
	println(48)
	println(49)
	println(50)
	println(51)
	println(52)
	println(53)
	println(54)
	println(55)
	println(56)
	println(57)
	println(58)
	println(59)
	println(60)
	println(61)
	println(62)
	println(63)
	println(64)
	println(65)
	println(66)
	println(67)
	println(68)
	println(69)
	println(70)
}

func dispatch(n int) {
	switch n {
	case 1:
		println(1)
	case 2:
		println(2)
	case 3:
		println(3)
	case 4:
		println(4)
	case 5:
		println(5)
	case 6:
		println(6)
	case 7:
		println(7)
	case 8:
		println(8)
	case 9:
		println(9)
	case 10:
		println(10)
	case 11:
		println(11)
	case 12:
		println(12)
	case 13:
		println(13)
	case 14:
		println(14)
	case 15:
		println(15)
	case 16:
		println(16)
	case 17:
		println(17)
	case 18:
		println(18)
	case 19:
		println(19)
	case 20:
		println(20)
	case 21:
		println(21)
	case 22:
		println(22)
	case 23:
		println(23)
	case 24:
		println(24)
	case 25:
		println(25)
	case 26:
		println(26)
	case 27:
		println(27)
	case 28:
		println(28)
	case 29:
		println(29)
	case 30:
		println(30)
	case 31:
		println(31)
	case 32:
		println(32)
	case 33:
		println(33)
	case 34:
		println(34)
	case 35:
		println(35)
	case 36:
		println(36)
	case 37:
		println(37)
	case 38:
		println(38)
	case 39:
		println(39)
	case 40:
		println(40)
	}
}

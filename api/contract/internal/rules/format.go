package rules

import "time"

// The formats of strings that mean something to a program.
const (
	DateTime = "date-time"
	Password = "password" // a secret
	Binary   = "binary"   // the bytes of a part of a form
)

// IsDateTime reports whether s is an RFC 3339 date-time in the form that Go's time package parses: an
// existing day, capital T and Z, no leap second.
func IsDateTime(s string) bool {
	const date, clock = len("2006-01-02"), len("T15:04:05")
	if len(s) < date+clock || s[date] != 'T' || s[date+3] != ':' || s[date+6] != ':' {
		return false
	}
	day := s[:date]
	if day[4] != '-' || day[7] != '-' {
		return false
	}
	year, month := twoDigits(day[:2])*100+twoDigits(day[2:4]), twoDigits(day[5:7])
	if !allDigits(day[:4]) || month < 1 || month > 12 {
		return false
	}
	if d := twoDigits(day[8:]); d < 1 || d > 28 && d > daysIn(year, time.Month(month)) {
		return false
	}
	if !within(s[date+1:date+3], 23) || !within(s[date+4:date+6], 59) || !within(s[date+7:date+9], 59) {
		return false
	}
	zone := s[date+clock:]
	if zone != "" && zone[0] == '.' {
		digits := 1
		for digits < len(zone) && isDigit(zone[digits]) {
			digits++
		}
		if digits == 1 {
			return false
		}
		zone = zone[digits:]
	}
	if zone == "Z" {
		return true
	}
	return len(zone) == len("+07:00") && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':' &&
		within(zone[1:3], 23) && within(zone[4:], 59)
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func allDigits(s string) bool { return twoDigits(s[:2]) >= 0 && twoDigits(s[2:]) >= 0 }

// twoDigits returns the value of two digits, or -1.
func twoDigits(s string) int {
	if !isDigit(s[0]) || !isDigit(s[1]) {
		return -1
	}
	return int(s[0]-'0')*10 + int(s[1]-'0')
}

// within reports whether s is two digits with a value of at most most.
func within(s string, most int) bool {
	n := twoDigits(s)
	return n >= 0 && n <= most
}

func isDigit(b byte) bool { return b-'0' < 10 }

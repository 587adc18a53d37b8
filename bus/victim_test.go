package bus_test

func victim(string) {}

// The reader worker as it is on a kernel with Landlock of ABI 2, Debian 12's.
#include "fetchers/reading/worker/process.h"

int main() { return impound::fetchers::run_reader(2); }

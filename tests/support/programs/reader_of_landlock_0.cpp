// The reader worker as it is on a kernel with no Landlock.
#include "fetchers/reading/worker/process.h"

int main() { return impound::fetchers::run_reader(0); }

// impound-reader-worker: reads what was captured in a process of its own, without key, log, vault, network or files, in
// a sandbox. It is started by impound; nobody else has a reason to start it.
#include "evidence/system/sandbox.h"
#include "fetchers/reading/worker/process.h"

int main() { return impound::fetchers::run_reader(impound::newest_landlock); }

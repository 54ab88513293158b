// The swarm worker as it runs on Debian 12's own kernel: with Landlock's ABI 2 at most.
#include "fetchers/torrents/worker/process.h"

int main() { return impound::fetchers::run_worker(2); }

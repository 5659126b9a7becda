# what: openmpi: four ranks over TCP on the loopback, its launcher is moved, too
# packages: openmpi-bin libopenmpi-dev gcc
prepare() { mpicc -O2 -o ranks "$PROGRAMS/ranks.c"; }
run() { mpi; }
mpi() {
	OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 moved mpirun --oversubscribe -np 4 --mca btl tcp,self --mca btl_tcp_if_include lo --mca oob_tcp_if_include lo ./ranks
}

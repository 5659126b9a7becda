/* A ring, reductions and an all-to-all, with checks of every value. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS 20000

int main(int argc, char **argv)
{
	int rank, size;
	unsigned long sum = 0, total;
	unsigned *out = calloc(WORDS, 4), *in = calloc(WORDS, 4);

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	for (int round = 0; round < 150; round++) {
		for (int i = 0; i < WORDS; i++)
			out[i] = (round * 31 + rank) * 7919u + i;
		MPI_Sendrecv(out, WORDS, MPI_UNSIGNED, (rank + 1) % size, round, in, WORDS, MPI_UNSIGNED,
			     (rank + size - 1) % size, round, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		for (int i = 0; i < WORDS; i++)
			if (in[i] != (round * 31 + (rank + size - 1) % size) * 7919u + i)
				MPI_Abort(MPI_COMM_WORLD, 3);
		for (int i = 0; i < 2000000; i++)
			sum = sum * 6364136223846793005ul + in[i % WORDS];
		MPI_Alltoall(out, WORDS / size, MPI_UNSIGNED, in, WORDS / size, MPI_UNSIGNED, MPI_COMM_WORLD);
		MPI_Barrier(MPI_COMM_WORLD);
	}
	MPI_Reduce(&sum, &total, 1, MPI_UNSIGNED_LONG, MPI_BXOR, 0, MPI_COMM_WORLD);
	if (rank == 0)
		printf("%d ranks, %lu\n", size, total);
	MPI_Finalize();
	return 0;
}

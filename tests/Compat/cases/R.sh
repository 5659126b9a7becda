# what: R: linear algebra, a model, bootstrap, and parallel::mclapply, which forks
# packages: r-base-core
run() { moved Rscript --vanilla "$PROGRAMS/model.R"; }

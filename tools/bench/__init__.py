"""The benchmarks of ``./Borealis.sh bench``: real programs, real TLS, real signatures, real storage (contract 9)."""

"""Compare the speed of ganfreeze under other settings of its libraries, in turns:

    python benchmarks/settings.py [--rounds 5] [--seconds 2]

These settings were tried, and none made ganfreeze faster; a faster one would be in use. Print a table for the mlp,
whose steps XLA compiles, and one for the dcgan, whose convolutions are oneDNN's.
"""

import tempfile
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from contenders import Contender, Setting, compare
from run import mnist

XLA = {
    "512-bit vectors": "--xla_cpu_prefer_vector_width=512",
    "products by oneDNN": "--xla_cpu_use_onednn=true --xla_cpu_experimental_onednn_fusion_type=dot",
    "products with what follows by YNNPACK": "--xla_cpu_experimental_ynn_fusion_type=dot",
    "nothing by XNNPACK": "--xla_cpu_use_xnnpack=false",
    "the scheduler that saves memory": "--xla_cpu_enable_concurrency_optimized_scheduler=false",
    "copies by regions": "--xla_cpu_copy_insertion_use_region_analysis=true",
}
THREADS = {
    "one operation at a time": {"TF_NUM_INTEROP_THREADS": "1"},
    "four operations at a time": {"TF_NUM_INTEROP_THREADS": "4"},
    "one thread to an operation": {"TF_NUM_INTRAOP_THREADS": "1"},
    "four threads to an operation": {"TF_NUM_INTRAOP_THREADS": "4"},
}
ONEDNN = {
    "oneDNN on the thread that calls it": {"TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD": "1"},
    "without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
}
TENSORFLOW = {
    "all but products and convolutions by XLA": {
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit --tf_xla_ops_to_cluster=FUSIBLE"
    },
    "memory from TensorFlow's own allocator": {"TF_CPU_ALLOCATOR_USE_BFC": "1"},
}
TRIED = {
    Setting("mlp", 32): {name: {"XLA_FLAGS": flags} for name, flags in XLA.items()} | THREADS,
    Setting("dcgan", 64): {**THREADS, **ONEDNN, **TENSORFLOW},
}


def main() -> None:
    """Print the tables."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "mnist.npy"
        np.save(images, mnist())
        for setting, tried in TRIED.items():
            environments = {"as it is": {}, **tried}
            contenders = [Contender(name, "ours.py", "tape", environment) for name, environment in environments.items()]
            results = compare(contenders, setting, images, rounds=arguments.rounds, seconds=arguments.seconds)
            print(f"\n| {setting.architecture}, batch {setting.batch} | steps/s, median | slowest to fastest round |")
            print("| --- | --- | --- |")
            for name, result in results.items():
                print(
                    f"| {name} | {result.median:.1f} | {min(result.rates):.1f} to {max(result.rates):.1f} |", flush=True
                )


if __name__ == "__main__":
    main()

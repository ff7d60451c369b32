#!/usr/bin/env python3
"""A few kernels of different kinds, for a profiler: matrix product, softmax, copy, sum."""
import torch

a = torch.randn(2048, 2048, device="cuda", dtype=torch.bfloat16)
big = torch.randn(1 << 26, device="cuda")
for _ in range(2):
    torch.mm(a, a)
    torch.softmax(a.float(), dim=1)
    big.clone()
    big.sum()
    torch.nn.functional.gelu(big)
torch.cuda.synchronize()

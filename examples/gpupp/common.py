"""What the examples share: options, a device, and a small language model made on the spot."""

import argparse

import torch


def options(description):
    """Those of LayerPowerProfiler, from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--simulate", metavar="GPUS", help="such as h100: a simulated GPU's meter")
    parser.add_argument("--max-seconds", type=float, default=10.0,
                        help="how long layers may be run alone (10)")
    parser.add_argument("--method", default="auto", help="auto, passive, dither or replay")
    given = vars(parser.parse_args())
    return {name: value for name, value in given.items() if value is not None}


def device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Tokenizer:
    """Takes letters for tokens: nothing has to be fetched."""

    def __call__(self, texts, return_tensors="pt", padding=False):
        from transformers import BatchEncoding

        texts = [texts] if isinstance(texts, str) else texts
        longest = max(map(len, texts))
        rows = [[1] * (longest - len(text)) + [2 + ord(c) % 126 for c in text] for text in texts]
        ids = torch.tensor(rows)
        return BatchEncoding({"input_ids": ids, "attention_mask": (ids != 1).long()})


def language_model():
    """A model in the shape of LLaMA, with random weights, and its tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=128, hidden_size=128, intermediate_size=256,
                         num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
                         max_position_embeddings=256, pad_token_id=1, bos_token_id=None,
                         eos_token_id=None)
    return LlamaForCausalLM(config).eval().to(device()), Tokenizer()

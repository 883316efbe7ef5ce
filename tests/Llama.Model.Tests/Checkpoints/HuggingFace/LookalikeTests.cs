using Llama.Model.Tests.Layers;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.HuggingFace;

/// <summary>
/// Models of other names with Llama's layers: the fields of their released <c>config.json</c> around a small model, against the forward pass in
/// double precision.
/// </summary>
public sealed class LookalikeTests : IDisposable
{
    private static readonly int[] Tokens = [.. Enumerable.Range(0, 20).Select(i => 3 + (i * 41 % 150))];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("Yi-1.5", """ "attention_bias": false, "attention_dropout": 0.0, "initializer_range": 0.02, "pad_token_id": 0, "pretraining_tp": 1, "rope_scaling": null, "rope_theta": 5000000.0, "use_cache": false, "transformers_version": "4.40.0" """, 5e6)]
    [InlineData("SmolLM2", """ "is_llama_config": true, "rope_interleaved": false, "rope_theta": 100000, "mlp_bias": false, "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16"}} """, 1e5)]
    [InlineData("DeepSeek-LLM", """ "aux_loss_alpha": 0.001, "first_k_dense_replace": 0, "moe_layer_freq": 1, "n_routed_experts": null, "n_shared_experts": null, "norm_topk_prob": false, "num_experts_per_tok": null, "scoring_func": "softmax", "seq_aux": true, "pretraining_tp": 1 """, 1e4)]
    [InlineData("R1-Distill-Llama", """ "head_dim": 16, "bos_token_id": 100, "eos_token_id": 101, "rope_theta": 500000.0, "_name_or_path": "./" """, 5e5)]
    [InlineData("TinyLlama", """ "attention_bias": false, "pretraining_tp": 1, "rope_scaling": null, "num_key_value_heads": 2 """, 1e4)]
    [InlineData("Vicuna", """ "_name_or_path": "vicuna-7b-v1.5", "pad_token_id": 0, "pretraining_tp": 1, "max_sequence_length": 4096, "tie_word_embeddings": false """, 1e4)]
    public void Logits_ConfigurationOfAnotherName_AreThoseOfTheFormula(string name, string fields, double theta)
    {
        BiasedModel.WriteHuggingFace(folder[name], BiasedModel.Tensors, $", {fields}");
        var reference = new ReferenceForward(BiasedModel.Config with { RopeTheta = theta }, BiasedModel.Tensors);
        using var runner = new ForwardRunner(folder[name], [0, BiasedModel.Config.Layers]);
        float[][] found = runner.Logits(Tokens, 6);
        foreach (float[] logits in found.Zip(Tokens, (logits, token) => (float[])[.. logits.Zip(reference.Next(token), (a, b) => (float)(a - b))]))
            Assert.All(logits, difference => Assert.InRange(MathF.Abs(difference), 0, 2e-4f));
    }
}

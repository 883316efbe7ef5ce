using Llama.Model.Checkpoints;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.HuggingFace;

public class HuggingFaceConfigTests
{
    private const string Fields = """
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 500
        """;

    [Theory]
    [InlineData("""{FIELDS}""", "model_type: not there, expected llama")]
    [InlineData("""{FIELDS, "model_type": "llama", "rope_scaling": {"type": "linear"}}""", "rope_scaling.factor: not there")]
    [InlineData("""{FIELDS, "model_type": "llama", "rope_scaling": {"type": "dynamic", "factor": 2}}""", "rope_scaling.type: found \"dynamic\", expected default, linear, yarn or llama3: with dynamic")]
    [InlineData("""{FIELDS, "model_type": "mistral", "num_local_experts": 8}""", "num_local_experts: found 8, expected none")]
    [InlineData("""{FIELDS, "model_type": "llama", "partial_rotary_factor": 0.5}""", "partial_rotary_factor: found 0.5, expected 1")]
    [InlineData("""{FIELDS, "model_type": "llama", "quantization_config": {"quant_method": "awq"}}""", "found weights of awq")]
    [InlineData("""{FIELDS, "model_type": "llama", "quantization_config": {"quant_method": "bitsandbytes"}}""", "found weights of bitsandbytes")]
    [InlineData("""{FIELDS, "model_type": "qwen2"}""", "model_type: found \"qwen2\", expected llama or mistral")]
    [InlineData("""{FIELDS, "architectures": ["MllamaForConditionalGeneration"]}""", "architectures: found MllamaForConditionalGeneration, expected LlamaForCausalLM")]
    [InlineData("""{FIELDS, "model_type": "llama", "hidden_act": "gelu"}""", "hidden_act: found \"gelu\", expected silu")]
    [InlineData("""{FIELDS, "model_type": "llama", "quantization_config": {"quant_method": "gptq"}}""", "found weights of gptq, expected F32, F16, BF16 or FP8 with scales: use the checkpoint that it was made from")]
    [InlineData("""{FIELDS, "model_type": "llama", "rope_scaling": {"rope_type": "yarn"}}""", "rope_scaling.original_max_position_embeddings: not there")]
    [InlineData("""{FIELDS, "model_type": "llama", "rope_theta": 1, "rope_scaling": {"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 8}}""", "found 1 as base of the rotary frequencies, expected more than 1")]
    [InlineData("""{FIELDS, "model_type": "llama", "rope_scaling": {"rope_type": "longrope"}}""", "rope_scaling.rope_type: found \"longrope\"")]
    [InlineData("""{FIELDS, "model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 8}}""", "rope_scaling.low_freq_factor: not there")]
    [InlineData("""{FIELDS, "model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 8}}""", "rope_scaling.high_freq_factor: found 4, expected more than low_freq_factor, 4")]
    [InlineData("""{FIELDS, "model_type": "llama", "quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized"}}""", "found weights of compressed-tensors, pack-quantized")]
    [InlineData("""{FIELDS, "model_type": "llama", "quantization_config": {"quant_method": "fp8", "weight_block_size": [128]}}""", "weight_block_size: found a list, expected two numbers")]
    [InlineData("""{FIELDS, "model_type": "llama", "head_dim": 15}""", "found heads of width 15")]
    [InlineData("""{FIELDS, "model_type": "llama", "eos_token_id": [2, "3"]}""", "eos_token_id: found \"3\", expected a token of the vocabulary, from 0 to 499")]
    [InlineData("""{FIELDS, "model_type": "\ud800"}""", "not valid Unicode")]
    [InlineData("""{"model_type": "llama", "hidden_size": 64}""", "num_attention_heads: not there")]
    public void Open_WhatALlamaModelDoesNotDo_IsRefusedByName(string configuration, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["config.json"], configuration.Replace("FIELDS", Fields, StringComparison.Ordinal));
        string message = CheckpointReading.Refusal(folder.Path);
        Assert.Contains(expected, message);
        Assert.Contains("config.json", message);
    }

    [Theory]
    [InlineData("""{"type": "linear", "factor": 4.0}""")]
    [InlineData("""{"rope_type": "linear", "rope_theta": 10000.0, "factor": 4}""")]
    public void Open_LinearScaling_DividesEveryFrequency(string rope)
    {
        using var folder = new TemporaryFolder();
        string field = rope.Contains("rope_theta", StringComparison.Ordinal) ? "rope_parameters" : "rope_scaling";
        File.WriteAllText(folder["config.json"], $$"""{{{Fields}}, "model_type": "llama", "{{field}}": {{rope}}}""");
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal(new RopeFactors([4, 4, 4, 4, 4, 4, 4, 4]), checkpoint.Config.RopeFactors);
    }

    [Theory]
    [InlineData(64, 40, null, 40)]
    [InlineData(64, 40, 30, 30)]
    [InlineData(64, 400, null, 64)]
    public void Open_Mistral_IsCappedAtItsSlidingWindow(int most, int window, int? context, int expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(
            folder["config.json"],
            $$"""
            {{{Fields}}, "model_type": "mistral", "architectures": ["MistralForCausalLM"], "max_position_embeddings": {{most}}, "sliding_window": {{window}}}
            """);
        using Checkpoint checkpoint = Checkpoint.Open(folder.Path, new CheckpointOptions { ContextLength = context });
        Assert.Equal(expected, checkpoint.Config.ContextLength);
        Assert.Equal(window < most, checkpoint.Assumptions.Any(text => text.Contains("sliding window", StringComparison.Ordinal)));
        if (window < most)
            Assert.Contains("expected at most 40", CheckpointReading.Refusal(folder.Path, new CheckpointOptions { ContextLength = 41 }));
    }

    [Fact]
    public void Open_Defaults_AreHuggingFaces()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["config.json"], $$"""{{{Fields}}, "model_type": "llama", "rope_scaling": null}""");
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        ModelConfig config = checkpoint.Config;
        Assert.Equal((4, 16, 2048), (config.KvHeads, config.HeadDim, config.ContextLength));
        Assert.Equal((1e-6f, 10_000.0), (config.NormEps, config.RopeTheta));
        Assert.Null(config.RopeScaling);
        Assert.Equal(["Context length 2048 assumed: config.json does not say; set --context."], checkpoint.Assumptions);
    }

    [Fact]
    public void Open_RopeParameters_AreReadAsTheNewerFilesHaveThem()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(
            folder["config.json"],
            $$$"""
            {{{{Fields}}}, "model_type": "llama", "dtype": "float16", "max_position_embeddings": 99,
             "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0,
                                 "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}
            """);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal((500_000.0, 99), (checkpoint.Config.RopeTheta, checkpoint.Config.ContextLength));
        Assert.Equal(new RopeScaling(32, 1, 4, 8192), checkpoint.Config.RopeScaling);
        Assert.Equal(ElementType.F16, checkpoint.WeightType);
    }
}

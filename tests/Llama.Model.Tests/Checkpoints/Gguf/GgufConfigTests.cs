using Llama.Model.Checkpoints;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Gguf;

public sealed class GgufConfigTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Read_Metadata_GivesTheConfiguration()
    {
        using Checkpoint checkpoint = CheckpointReading.Open(Write());
        Assert.Empty(checkpoint.Config.EndTokens);
        Assert.Equal(TinyGguf.Config with { EndTokens = [] }, checkpoint.Config with { EndTokens = [] });
        Assert.Empty(checkpoint.Assumptions);
    }

    [Theory]
    [InlineData("general.architecture", "qwen2", "general.architecture: found 'qwen2', expected llama")]
    [InlineData("llama.embedding_length", null, "llama.embedding_length: not there, expected a value")]
    [InlineData("llama.embedding_length", "32", "llama.embedding_length: found '32', expected a whole number from 1 to 1048576")]
    [InlineData("llama.block_count", 0, "llama.block_count: found 0, expected a whole number from 1 to 1000")]
    [InlineData("llama.attention.head_count_kv", 3, "found 3 key and value heads, expected a divisor of the 2 query heads")]
    [InlineData("llama.attention.value_length", 8, "llama.attention.value_length: found 8, expected 16, the width of a head")]
    [InlineData("llama.rope.dimension_count", 8, "llama.rope.dimension_count: found 8, expected 16, the width of a head")]
    [InlineData("llama.expert_count", 8, "llama.expert_count: found 8, expected 0: a plain Llama model")]
    [InlineData("llama.rope.scaling.type", "longrope", "llama.rope.scaling.type: found 'longrope', expected none, linear or yarn")]
    [InlineData("llama.attention.layer_norm_rms_epsilon", null, "llama.attention.layer_norm_rms_epsilon: not there")]
    [InlineData("llama.attention.layer_norm_rms_epsilon", true, "llama.attention.layer_norm_rms_epsilon: found true, expected a number above 0")]
    [InlineData("tokenizer.ggml.eos_token_id", "2", "tokenizer.ggml.eos_token_id: found '2', expected a token of the vocabulary")]
    [InlineData("llama.vocab_size", null, "llama.vocab_size: not there")]
    public void Read_WrongValue_IsRefused(string key, object? value, string expected)
    {
        string refusal = CheckpointReading.Refusal(Write((key, value)));
        Assert.StartsWith(folder["tiny.gguf"], refusal, StringComparison.Ordinal);
        Assert.Contains(expected, refusal);
    }

    [Theory]
    [InlineData("tokenizer.ggml.eos_token_id", 40)]
    [InlineData("tokenizer.ggml.eot_token_id", int.MaxValue)]
    [InlineData("tokenizer.ggml.padding_token_id", -1)]
    public void Read_TokenOutsideTheVocabulary_IsWarnedOfAndIgnored(string key, object value)
    {
        using Checkpoint checkpoint = CheckpointReading.Open(Write((key, value)));
        Assert.Contains($"{key} is no token of the vocabulary, which has 40, and is ignored", Assert.Single(checkpoint.Assumptions));
        Assert.Empty(checkpoint.Config.EndTokens);
    }

    [Fact]
    public void Read_OneNumberALayer_IsTheirNumberWhereAllAreEqual()
    {
        int[] same = [1, 1], others = [1, 2];
        using Checkpoint checkpoint = CheckpointReading.Open(Write(("llama.attention.head_count_kv", same)));
        Assert.Equal(1, checkpoint.Config.KvHeads);
        Assert.Contains(
            "llama.attention.head_count_kv: found an array of 2 Int32, expected a whole number", CheckpointReading.Refusal(Write(("llama.attention.head_count_kv", others))));
    }

    [Fact]
    public void Read_ScalingByZero_IsNone()
    {
        using Checkpoint checkpoint = CheckpointReading.Open(Write(("llama.rope.scaling.type", "linear"), ("llama.rope.scaling.factor", 0f)));
        Assert.Null(checkpoint.Config.RopeFactors);
    }

    [Fact]
    public void Read_LinearScaling_DividesEveryFrequency()
    {
        using Checkpoint checkpoint = CheckpointReading.Open(Write(("llama.rope.scaling.type", "linear"), ("llama.rope.scaling.factor", 4f)));
        Assert.Equal(new RopeFactors([4, 4, 4, 4, 4, 4, 4, 4]), checkpoint.Config.RopeFactors);
    }

    [Fact]
    public void Read_Options_Override()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Write(), new CheckpointOptions { ContextLength = 7 });
        Assert.Equal(7, checkpoint.Config.ContextLength);
    }

    [Fact]
    public void Read_EndTokens_AreAllThatAreNamed()
    {
        using Checkpoint checkpoint = CheckpointReading.Open(
            Write(("tokenizer.ggml.eos_token_id", 5), ("tokenizer.ggml.eot_token_id", 4), ("tokenizer.ggml.bos_token_id", 3)));
        Assert.Equal([4, 5], checkpoint.Config.EndTokens);
    }

    [Theory]
    [InlineData(15, "Q4_K_M", ElementType.Q4_K)]
    [InlineData(7, "Q8_0", ElementType.Q8_0)]
    [InlineData(999, "F32", ElementType.F32)]
    [InlineData(null, "F32", ElementType.F32)]
    public void Read_FileType_NamesTheWeights(int? fileType, string name, ElementType type)
    {
        using Checkpoint checkpoint = CheckpointReading.Open(Write(("general.file_type", fileType)));
        Assert.Equal((name, type), (checkpoint.WeightName, checkpoint.WeightType));
    }

    private string Write(params (string Key, object? Value)[] changes) => TinyGguf.Write(folder["tiny.gguf"], ElementType.F32, changes);
}

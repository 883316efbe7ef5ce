using Llama.Model.Checkpoints;
using Llama.Model.Tests.Tokenization;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints;

public class LlamaFamiliesTests
{
    private const string Llama3 = """
        {"model_type": "llama", "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
         "vocab_size": 128256, EOS "rope_theta": 500000.0}
        """;

    [Theory]
    [InlineData("", null, new int[0])]
    [InlineData("\"eos_token_id\":[128001,7],", null, new[] { 7, 128001 })]
    [InlineData("\"eos_token_id\":7,", """{"eos_token_id":128001}""", new[] { 128001 })]
    [InlineData("", """{"eos_token_id":[128009,128001]}""", new[] { 128001, 128009 })]
    public void Open_HuggingFace_TakesEndTokensFromGenerationConfigElseFromConfig(string eos, string? generation, int[] expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["config.json"], Llama3.Replace("EOS", eos, StringComparison.Ordinal));
        if (generation is not null) File.WriteAllText(folder["generation_config.json"], generation);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal(LlamaFamily.Llama3, checkpoint.Config.Family);
        Assert.Equal(expected, checkpoint.Config.EndTokens);
    }

    [Fact]
    public void Open_TiktokenVocabulary_IsLlama3WhoseVocabularyNamesTheEndTokens()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "llama-3", "meta"));
        File.WriteAllText(folder["tokenizer.model"], TestTokenizers.SmallTiktoken("ab"));
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal(LlamaFamily.Llama3, checkpoint.Config.Family);
        Assert.Empty(checkpoint.Config.EndTokens);
        ITokenizer tokenizer = TokenizerLoader.Load(folder.Path)!;
        Assert.Equal(257, tokenizer.BeginOfText);
        Assert.Equal([258, 265, 266], tokenizer.EndTokens);
    }

    [Fact]
    public void Open_GenerationConfig_GoesBeforeConfig()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "code-llama", "hf"));
        File.WriteAllText(folder["generation_config.json"], """{"eos_token_id": [9, 8, 9]}""");
        using (Checkpoint checkpoint = CheckpointReading.Open(folder.Path)) Assert.Equal([8, 9], checkpoint.Config.EndTokens);

        File.WriteAllText(folder["generation_config.json"], """{"eos_token_id": [336, 3, -1]}""");
        using Checkpoint warned = CheckpointReading.Open(folder.Path);
        Assert.Equal([3], warned.Config.EndTokens);
        Assert.Equal(2, warned.Assumptions.Count(text => text.Contains("is no token of the vocabulary, which has 336", StringComparison.Ordinal)));
    }
}

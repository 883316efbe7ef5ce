using Llama.Model.Checkpoints;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints;

public class ReleasedShapesTests
{
    [Theory]
    [InlineData("""{"dim":4096,"multiple_of":256,"n_heads":32,"n_layers":32,"norm_eps":1e-06,"vocab_size":-1}""", LlamaFamily.Llama1, 2048, 11008, 32000, null)]
    [InlineData("""{"dim":8192,"multiple_of":256,"n_heads":64,"n_layers":80,"norm_eps":1e-05,"vocab_size":-1}""", LlamaFamily.Llama1, 2048, 22016, 32000, null)]
    [InlineData("""{"dim":4096,"multiple_of":256,"n_heads":32,"n_layers":32,"norm_eps":1e-05,"vocab_size":-1}""", LlamaFamily.Llama2, 4096, 11008, 32000, null)]
    [InlineData("""{"dim":5120,"multiple_of":256,"n_heads":40,"n_layers":40,"norm_eps":1e-05,"vocab_size":-1}""", LlamaFamily.Llama2, 4096, 13824, 32000, null)]
    [InlineData("""{"dim":8192,"multiple_of":4096,"ffn_dim_multiplier":1.3,"n_heads":64,"n_kv_heads":8,"n_layers":80,"norm_eps":1e-05,"vocab_size":-1}""", LlamaFamily.Llama2, 4096, 28672, 32000, null)]
    [InlineData("""{"dim":8192,"n_layers":48,"n_heads":64,"n_kv_heads":8,"multiple_of":256,"ffn_dim_multiplier":1.0,"norm_eps":1e-5,"rope_theta":1000000}""", LlamaFamily.CodeLlama, 16384, 22016, 32000, null)]
    [InlineData("""{"dim":8192,"n_layers":80,"n_heads":64,"n_kv_heads":8,"multiple_of":4096,"ffn_dim_multiplier":1.3,"norm_eps":1e-5,"rope_theta":10000,"vocab_size":32016}""", LlamaFamily.CodeLlama70B, 4096, 28672, 32016, null)]
    [InlineData("""{"dim":4096,"n_layers":32,"n_heads":32,"n_kv_heads":8,"vocab_size":128256,"multiple_of":1024,"ffn_dim_multiplier":1.3,"norm_eps":1e-05,"rope_theta":500000.0}""", LlamaFamily.Llama3, 8192, 14336, 128256, null)]
    [InlineData("""{"dim":4096,"n_layers":32,"n_heads":32,"n_kv_heads":8,"vocab_size":128256,"multiple_of":1024,"ffn_dim_multiplier":1.3,"norm_eps":1e-05,"rope_theta":500000.0,"use_scaled_rope":true}""", LlamaFamily.Llama3, 131072, 14336, 128256, 8f)]
    [InlineData("""{"dim":16384,"n_layers":126,"n_heads":128,"n_kv_heads":8,"vocab_size":128256,"multiple_of":4096,"ffn_dim_multiplier":1.2,"norm_eps":1e-05,"rope_theta":500000.0,"use_scaled_rope":true}""", LlamaFamily.Llama3, 131072, 53248, 128256, 8f)]
    [InlineData("""{"dim":2048,"n_layers":16,"n_heads":32,"n_kv_heads":8,"vocab_size":128256,"multiple_of":256,"ffn_dim_multiplier":1.5,"norm_eps":1e-05,"rope_theta":500000.0,"use_scaled_rope":true}""", LlamaFamily.Llama3, 131072, 8192, 128256, 32f)]
    [InlineData("""{"dim":3072,"n_layers":28,"n_heads":24,"n_kv_heads":8,"vocab_size":128256,"multiple_of":256,"ffn_dim_multiplier":1.0,"norm_eps":1e-05,"rope_theta":500000.0,"use_scaled_rope":true}""", LlamaFamily.Llama3, 131072, 8192, 128256, 32f)]
    public void Open_ParamsOfAReleasedModelWithoutWeights_KnowsWhatTheyDoNotSay(
        string parameters, LlamaFamily family, int context, int hiddenDim, int vocabSize, float? factor)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["params.json"], parameters);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        ModelConfig config = checkpoint.Config;
        Assert.Equal((family, context), (config.Family, config.ContextLength));
        Assert.Equal((hiddenDim, vocabSize), (config.HiddenDim, config.VocabSize));
        Assert.Equal(factor is null ? null : new RopeScaling(factor.Value, 1, 4, 8192), config.RopeScaling);
        Assert.Empty(config.EndTokens);
        Assert.Contains(checkpoint.Assumptions, text => text.Contains("as of ", StringComparison.Ordinal));
    }
}

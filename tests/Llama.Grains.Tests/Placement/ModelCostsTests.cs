using Llama.Grains.Placement;
using Llama.Model;
using Llama.Model.Checkpoints;
using Llama.Tests;

namespace Llama.Grains.Tests.Placement;

public sealed class ModelCostsTests
{
    [Fact]
    public void Of_ShippedModel_CountsLayersHeadAndEmbedding()
    {
        ModelConfig config;
        using (Checkpoint checkpoint = Checkpoint.Open(TestPaths.TinyStories, new CheckpointOptions())) config = checkpoint.Config;
        ModelCosts costs = ModelCosts.Of(config, 4, 1000);
        Assert.Equal(6, costs.Layers);
        Assert.Equal(1024 * 128 * 4, costs.HeadBytes);
        Assert.Equal(1024 * 128 * 4, costs.EmbeddingBytes);
        Assert.Equal(config.LayerElements * 4, costs.LayerBytes);
        Assert.Equal((config.LayerElements / 2) + 1200, ModelCosts.Of(config with { BiasElements = 300 }, 0.5, 1000).LayerBytes);

        // A look-up takes no time; the head is read for every token.
        Assert.Equal(3 * costs.LayerBytes, costs.Time(new LayerSpan(0, 3)));
        Assert.Equal((3 * costs.LayerBytes) + costs.HeadBytes, costs.Time(new LayerSpan(3, 6)));
        Assert.Equal((3 * (costs.LayerBytes + 1000)) + costs.EmbeddingBytes, costs.Bytes(new LayerSpan(0, 3)));
        Assert.Equal((3 * (costs.LayerBytes + 1000)) + costs.HeadBytes, costs.Bytes(new LayerSpan(3, 6)));
        Assert.Equal(2 * (costs.LayerBytes + 1000), costs.Bytes(new LayerSpan(2, 4)));
    }
}

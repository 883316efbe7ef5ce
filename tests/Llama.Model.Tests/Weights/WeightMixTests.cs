using Llama.Model.Checkpoints;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;

namespace Llama.Model.Tests.Weights;

public sealed class WeightMixTests
{
    private static readonly ModelConfig Llama8B = BiasedModel.Config with { Layers = 32, Heads = 32, KvHeads = 8 };

    [Fact]
    public void TypeOf_MixOfFour_GivesMoreBitsWhereLlamaCppDoes()
    {
        // The layers of Llama 3 8B whose values have Q6_K in llama.cpp's own files.
        int[] more = [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31];
        WeightMix mix = WeightMix.Parse("q4_k_m");
        foreach (Func<int, string> name in (Func<int, string>[])[TensorNames.Wv, TensorNames.W2])
            Assert.Equal(more, Enumerable.Range(0, 32).Where(layer => mix.TypeOf(name(layer), Llama8B) == ElementType.Q6_K));
        Assert.Equal(ElementType.Q4_K, mix.TypeOf(TensorNames.Wv(4), Llama8B));
        Assert.Equal(ElementType.Q4_K, mix.TypeOf(TensorNames.Wq(0), Llama8B));
        Assert.Equal(ElementType.Q6_K, mix.TypeOf(TensorNames.Output, Llama8B));
        Assert.Equal(ElementType.Q4_K, mix.TypeOf(TensorNames.TokenEmbeddings, Llama8B));
        Assert.Equal(ElementType.Q6_K, mix.TypeOf(TensorNames.TokenEmbeddings, Llama8B with { TiedEmbeddings = true }));
    }

    [Fact]
    public void TypeOf_SharedValuesOf70B_HaveOneBitMore()
    {
        ModelConfig config = Llama8B with { Layers = 80, Heads = 64 };
        Assert.Equal(ElementType.Q5_K, WeightMix.Parse("q4_k_m").TypeOf(TensorNames.Wv(10), config));
        Assert.Equal(ElementType.Q6_K, WeightMix.Parse("q4_k_m").TypeOf(TensorNames.Wv(9), config));
        Assert.Equal(ElementType.Q4_K, WeightMix.Parse("q4_k_m").TypeOf(TensorNames.W2(10), config));
        Assert.Equal(ElementType.Q5_K, WeightMix.Parse("q5_k_m").TypeOf(TensorNames.Wv(10), config));
    }

    [Fact]
    public void Parse_PlainType_IsThatOfEveryMatrix()
    {
        WeightMix mix = WeightMix.Parse("Q5_k");
        Assert.Equal(new WeightMix("Q5_K", ElementType.Q5_K, false), mix);
        Assert.Equal(ElementType.Q5_K, mix.TypeOf(TensorNames.Output, Llama8B));
    }
}

using Llama.Model.Weights;

namespace Llama.Model.Tests.Kernels;

public sealed class BlockProductTests
{
    public static TheoryData<ElementType> Types =>
    [
        ElementType.Q4_0, ElementType.Q4_1, ElementType.Q5_0, ElementType.Q5_1,
        ElementType.Q8_0, ElementType.Q4_K, ElementType.Q5_K, ElementType.Q6_K,
        ElementType.Q2_K, ElementType.Q3_K, ElementType.IQ4_NL, ElementType.IQ4_XS, ElementType.IQ3_S, ElementType.IQ3_XXS, ElementType.IQ2_S,
        ElementType.IQ2_XS, ElementType.IQ2_XXS, ElementType.IQ1_M, ElementType.IQ1_S, ElementType.TQ2_0, ElementType.TQ1_0, ElementType.MXFP4,
    ];

    [Theory]
    [MemberData(nameof(Types))]
    public void ByDefinition_EveryType_IsTheProductOfWeightsAndRoundedInputs(ElementType type)
    {
        using var product = new TestBlocks(type, 11, 768, 2);
        float[] defined = product.ByDefinition();
        for (int t = 0; t < 2; t++)
        {
            for (int r = 0; r < 11; r++)
            {
                double exact = 0, magnitude = 0;
                for (int c = 0; c < 768; c++)
                {
                    double term = product.Weights[(r * 768) + c] * product.RoundedInput(t, c);
                    exact += term;
                    magnitude += Math.Abs(term);
                }

                Assert.Equal(exact, defined[(t * 11) + r], magnitude * 1e-6);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Multiply_EveryShape_HasTheBitsOfTheDefinition(ElementType type)
    {
        const int MaxRows = 43, MaxTokens = 10;

        // A whole group of eight blocks, less, more, and several.
        int block = type.BlockElements();
        foreach (int columns in (int[])[block * 8, block, block * 3, block * 9, 1536])
        {
            using var product = new TestBlocks(type, MaxRows, columns, MaxTokens);
            float[] defined = product.ByDefinition();
            foreach (WeightMatrix form in product.Forms)
            {
                foreach (int rows in (int[])[1, 7, 8, 9, 17, 32, 35, MaxRows])
                {
                    // The rows at the end, so that a read beyond the matrix meets the poison after it.
                    int first = form.IsInterleaved ? (MaxRows - rows) / 8 * 8 : MaxRows - rows;
                    for (int tokens = 1; tokens <= MaxTokens; tokens++)
                    {
                        float[] result = product.Multiply(form, first, MaxRows, 0, tokens);
                        for (int i = 0; i < result.Length; i++)
                        {
                            float expected = i % MaxRows >= first ? defined[i] : TestBlocks.Untouched;
                            Assert.True(
                                BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(result[i]),
                                $"rows from {first} × {columns}, {tokens} tokens: {result[i]:R} at {i}, not {expected:R}");
                        }
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Multiply_ManyTokens_HasTheBitsOfTheDefinition(ElementType type)
    {
        using var product = new TestBlocks(type, 43, 1536, 30);
        float[] defined = product.ByDefinition();
        Assert.All(product.Forms, form => Assert.Equal(defined, product.Multiply(form, 0, 43, 0, 30)));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Multiply_GreatestIntegers_DoNotOverflow(ElementType type)
    {
        foreach (byte filling in (byte[])[0x00, 0x7f, 0x80, 0xff])
        {
            using var product = new TestBlocks(type, 32, 2304, 5, filling);
            float[] defined = product.ByDefinition();
            Assert.All(product.Forms, form => Assert.Equal(defined, product.Multiply(form, 0, 32, 0, 5)));
            for (int t = 0; t < 5; t++)
            {
                double exact = 0, magnitude = 0;
                for (int c = 0; c < 2304; c++)
                {
                    double term = product.Weights[c] * product.RoundedInput(t, c);
                    exact += term;
                    magnitude += Math.Abs(term);
                }

                Assert.Equal(exact, defined[t * 32], magnitude * 1e-6);
            }
        }
    }
}

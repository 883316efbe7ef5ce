using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>How a metadata value is stored (GGUF specification, <c>gguf_metadata_value_type</c>).</summary>
internal enum GgufValueType
{
    UInt8 = 0,
    Int8 = 1,
    UInt16 = 2,
    Int16 = 3,
    UInt32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    UInt64 = 10,
    Int64 = 11,
    Float64 = 12,
}

/// <summary>The numbers that GGUF files have for tensor types and file types (ggml.h and llama.h).</summary>
internal static class GgufTypes
{
    private static readonly Dictionary<ElementType, int> Codes = new()
    {
        [ElementType.F32] = 0,
        [ElementType.F16] = 1,
        [ElementType.Q4_0] = 2,
        [ElementType.Q4_1] = 3,
        [ElementType.Q5_0] = 6,
        [ElementType.Q5_1] = 7,
        [ElementType.Q8_0] = 8,
        [ElementType.Q4_K] = 12,
        [ElementType.Q5_K] = 13,
        [ElementType.Q6_K] = 14,
        [ElementType.BF16] = 30,
        [ElementType.Q2_K] = 10,
        [ElementType.Q3_K] = 11,
        [ElementType.IQ2_XXS] = 16,
        [ElementType.IQ2_XS] = 17,
        [ElementType.IQ3_XXS] = 18,
        [ElementType.IQ1_S] = 19,
        [ElementType.IQ4_NL] = 20,
        [ElementType.IQ3_S] = 21,
        [ElementType.IQ2_S] = 22,
        [ElementType.IQ4_XS] = 23,
        [ElementType.IQ1_M] = 29,
        [ElementType.TQ1_0] = 34,
        [ElementType.TQ2_0] = 35,
        [ElementType.MXFP4] = 39,
    };

    private static readonly Dictionary<int, ElementType> TypeOfCode = Codes.ToDictionary(pair => pair.Value, pair => pair.Key);

    // Types that files have and this reader does not, for messages.
    private static readonly Dictionary<int, string> OtherNames = new()
    {
        [4] = "Q4_2, which ggml has given up", [5] = "Q4_3, which ggml has given up", [9] = "Q8_1", [15] = "Q8_K", [24] = "I8", [25] = "I16",
        [26] = "I32", [27] = "I64", [28] = "F64", [31] = "Q4_0_4_4, which ggml has given up", [32] = "Q4_0_4_8, which ggml has given up",
        [33] = "Q4_0_8_8, which ggml has given up", [36] = "IQ4_NL_4_4, which ggml has given up", [37] = "IQ4_NL_4_8, which ggml has given up",
        [38] = "IQ4_NL_8_8, which ggml has given up", [40] = "NVFP4", [41] = "Q1_0", [42] = "Q2_0",
    };

    private static readonly Dictionary<int, (string Name, ElementType Type)> FileTypes = new()
    {
        [0] = ("F32", ElementType.F32),
        [1] = ("F16", ElementType.F16),
        [2] = ("Q4_0", ElementType.Q4_0),
        [3] = ("Q4_1", ElementType.Q4_1),
        [7] = ("Q8_0", ElementType.Q8_0),
        [8] = ("Q5_0", ElementType.Q5_0),
        [9] = ("Q5_1", ElementType.Q5_1),
        [14] = ("Q4_K_S", ElementType.Q4_K),
        [15] = ("Q4_K_M", ElementType.Q4_K),
        [16] = ("Q5_K_S", ElementType.Q5_K),
        [17] = ("Q5_K_M", ElementType.Q5_K),
        [18] = ("Q6_K", ElementType.Q6_K),
        [10] = ("Q2_K", ElementType.Q2_K),
        [11] = ("Q3_K_S", ElementType.Q3_K),
        [12] = ("Q3_K_M", ElementType.Q3_K),
        [13] = ("Q3_K_L", ElementType.Q3_K),
        [19] = ("IQ2_XXS", ElementType.IQ2_XXS),
        [20] = ("IQ2_XS", ElementType.IQ2_XS),
        [21] = ("Q2_K_S", ElementType.Q2_K),
        [22] = ("IQ3_XS", ElementType.IQ3_S),
        [23] = ("IQ3_XXS", ElementType.IQ3_XXS),
        [24] = ("IQ1_S", ElementType.IQ1_S),
        [25] = ("IQ4_NL", ElementType.IQ4_NL),
        [26] = ("IQ3_S", ElementType.IQ3_S),
        [27] = ("IQ3_M", ElementType.IQ3_S),
        [28] = ("IQ2_S", ElementType.IQ2_XS),
        [29] = ("IQ2_M", ElementType.IQ2_S),
        [30] = ("IQ4_XS", ElementType.IQ4_XS),
        [31] = ("IQ1_M", ElementType.IQ1_M),
        [32] = ("BF16", ElementType.BF16),
        [36] = ("TQ1_0", ElementType.TQ1_0),
        [37] = ("TQ2_0", ElementType.TQ2_0),
        [38] = ("MXFP4", ElementType.MXFP4),
    };

    /// <summary>The number of a tensor type.</summary>
    public static int Code(ElementType type) => Codes[type];

    /// <summary>The tensor type of a number, or null where it is none that can be read.</summary>
    public static ElementType? Find(long code) => code <= int.MaxValue && TypeOfCode.TryGetValue((int)code, out ElementType type) ? type : null;

    /// <summary>What a tensor type that cannot be read is called.</summary>
    public static string NameOfOther(long code) => OtherNames.GetValueOrDefault((int)code, $"number {code}");

    /// <summary>The value of <c>general.file_type</c> for a file of some types.</summary>
    public static int FileType(WeightMix mix) =>
        FileTypes.First(pair => mix.IsMixed ? pair.Value.Name == mix.Name : pair.Value.Type == mix.Type).Key;

    /// <summary>What <c>general.file_type</c> says: a name, and the type of most weights; null where it is not known.</summary>
    public static (string Name, ElementType Type)? OfFile(int fileType) => FileTypes.TryGetValue(fileType, out var found) ? found : null;
}

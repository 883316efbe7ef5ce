using System.Reflection;
using System.Reflection.Emit;

namespace Llama.Grains.Tests.Structure;

/// <summary>Finds the types that a type names: in what it derives from, its members and their signatures, its attributes, and its code.</summary>
internal static class CalledTypes
{
    private const BindingFlags All =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<short, OpCode> OpCodesByValue = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value);

    /// <summary>Types that a type names, also those that others are made of; some of them several times.</summary>
    public static IEnumerable<Type> Of(Type type)
    {
        IEnumerable<Type?> named =
        [
            type.BaseType, .. type.GetInterfaces(), .. type.GetCustomAttributesData().Select(attribute => attribute.AttributeType),
            .. type.GetFields(All).Select(field => field.FieldType), .. type.GetProperties(All).Select(property => property.PropertyType),
            .. type.GetMethods(All).Select(method => method.ReturnType),
            .. type.GetMethods(All).Cast<MethodBase>().Concat(type.GetConstructors(All)).SelectMany(OfMethod),
        ];
        return named.OfType<Type>().SelectMany(Parts);
    }

    private static IEnumerable<Type?> OfMethod(MethodBase method) =>
    [
        .. method.GetParameters().Select(parameter => parameter.ParameterType),
        .. method.GetMethodBody()?.LocalVariables.Select(local => local.LocalType) ?? [],
        .. OfCode(method),
    ];

    /// <summary>Operands of the instructions (ECMA-335, partition III) that are types, or members of types.</summary>
    private static IEnumerable<Type?> OfCode(MethodBase method)
    {
        byte[] code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        Type[]? ofType = method.DeclaringType is { IsGenericType: true } generic ? generic.GetGenericArguments() : null;
        Type[]? ofMethod = method.IsGenericMethod ? method.GetGenericArguments() : null;
        for (int at = 0; at < code.Length;)
        {
            short value = code[at++];
            if (value == 0xFE) value = unchecked((short)(0xFE00 | code[at++]));
            OpCode instruction = OpCodesByValue[value];
            if (instruction.OperandType is OperandType.InlineType or OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineTok)
            {
                MemberInfo? member = method.Module.ResolveMember(BitConverter.ToInt32(code, at), ofType, ofMethod);
                yield return member as Type ?? member?.DeclaringType;
                if (member is MethodBase { IsGenericMethod: true } called)
                {
                    foreach (Type argument in called.GetGenericArguments()) yield return argument;
                }
            }

            at += instruction.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, at)),
                _ => 4,
            };
        }
    }

    private static IEnumerable<Type> Parts(Type type) =>
        type.HasElementType ? Parts(type.GetElementType()!)
        : type.IsConstructedGenericType ? [type, .. type.GetGenericArguments().SelectMany(Parts)]
        : [type];
}

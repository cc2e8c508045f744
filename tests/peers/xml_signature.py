"""Signs and verifies XML with signxml: sign KIND IN OUT KEY CERT, or verify KIND IN CERT; KIND is ec or rsa."""

import sys

from lxml import etree
from signxml import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConfiguration,
    SignatureMethod,
    XMLSigner,
    XMLVerifier,
    methods,
)

METHODS = {"ec": SignatureMethod.ECDSA_SHA256, "rsa": SignatureMethod.RSA_SHA256}


def read(name):
    with open(name, "rb") as file:
        return file.read()


def sign(kind, source, target, key, certificate):
    signer = XMLSigner(
        method=methods.enveloped,
        signature_algorithm=METHODS[kind],
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    root = etree.fromstring(read(source), etree.XMLParser(resolve_entities=False, no_network=True))
    signed = signer.sign(root, key=read(key), cert=read(certificate).decode())
    with open(target, "wb") as file:
        file.write(etree.tostring(signed, xml_declaration=True, encoding="UTF-8"))


def verify(kind, source, certificate):
    config = SignatureConfiguration(
        location="./", signature_methods=frozenset([METHODS[kind]]), digest_algorithms=frozenset([DigestAlgorithm.SHA256])
    )
    XMLVerifier().verify(read(source), x509_cert=read(certificate).decode(), expect_config=config)


{"sign": sign, "verify": verify}[sys.argv[1]](*sys.argv[2:])

/***
* The circuit of mul8s_hand.v as straight-line C: B before A, and an unsigned result that means a signed product.
***/
// MAE = 2345 
// WCE = 10079 
#include <stdint.h>
#include <stdlib.h>

uint64_t mul8s_hand(const uint64_t B,const uint64_t A)
{
   uint64_t O, S_1, S_2, S_3, C_1, C_2, C_3, n;   int avg=0;
  uint8_t tmp;
  S_1=(((A >> 6)&1) & ((B>>6)&1))^(((((A>>7)&1) & ((B>>5)&1)))^1)^1;
  C_1=(((A >> 6)&1) & ((B>>6)&1))|(((((A>>7)&1) & ((B>>5)&1)))^1);
  n = ((A >> 7)&1)&((B >> 6)&1);
  n=~n&1;
  tmp = n^(((((A>>6)&1) & ((B>>7)&1)))^1);
  S_2 = tmp^1;
  C_2 = (tmp&1)|(n&(((((A>>6)&1) & ((B>>7)&1)))^1));
  n = S_2&C_1;
  S_2 = S_2^C_1;
  S_3 = ((A >> 7)&1)&((B >> 7)&1);
  C_3 = (S_3&C_2)|(n&(S_3^C_2));
  S_3 = S_3^C_2^n;
   O = 0;
   O |= ((((A >> 6)&1)&((B >> 5)&1))&1) << 11;
   O |= (S_1&1) << 12;
   O |= (S_2 & 0x01) << 13;
   O |= (S_3&1) << 14;
   O |= (~C_3&1) << 15;
   return O;
}
